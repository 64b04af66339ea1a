//! Builds the guest's init, a static program, so that one command gives one working binary.

use cargo_metadata::Message;
use std::{
    env, fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio, exit},
};

fn main() {
    let manifest_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let workspace = manifest_dir
        .parent()
        .expect("the crate is in the workspace");
    for path in [
        "guest-init/src",
        "guest-init/link.ld",
        "guest-init/Cargo.toml",
        "guest-init/wire/src",
        "guest-init/wire/Cargo.toml",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    let init = build_init(workspace, &out_dir);
    let copy = out_dir.join("init");
    fs::copy(&init, &copy)
        .unwrap_or_else(|e| fail(&format!("cannot copy {}: {e}", init.display())));
    println!("cargo::rustc-env=RUNNER_GUEST_INIT={}", copy.display());
}

/// Runs cargo for the guest's target and returns the program's path.
fn build_init(workspace: &Path, out_dir: &Path) -> PathBuf {
    let script = workspace.join("guest-init/link.ld");
    let script = format!("-Clink-arg={}", script.display());
    let flags = [
        "-Ctarget-feature=+crt-static",
        "-Crelocation-model=static",
        "-Clink-arg=-T",
        &script,
        "-Clink-arg=-Wl,--no-eh-frame-hdr",
    ];
    let mut cargo = Command::new(env::var_os("CARGO").expect("set by cargo"));
    cargo
        .args([
            "build",
            "--profile",
            "guest-init",
            "--target",
            "x86_64-unknown-linux-gnu",
        ])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(workspace.join("guest-init/Cargo.toml"))
        .arg("--target-dir")
        .arg(out_dir.join("guest-init"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .stdout(Stdio::piped());
    // What clippy, coverage tools or the user's target settings put here is for the outer build.
    for variable in [
        "RUSTFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_TARGET_DIR",
    ] {
        cargo.env_remove(variable);
    }
    let mut child = cargo
        .spawn()
        .unwrap_or_else(|e| fail(&format!("cannot start cargo for guest-init: {e}")));
    let stdout = child.stdout.take().expect("piped above");
    let mut program = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Ok(Message::CompilerArtifact(artifact)) = message
            && let Some(executable) = artifact.executable
        {
            program = Some(executable.into_std_path_buf());
        }
    }
    let status = child
        .wait()
        .unwrap_or_else(|e| fail(&format!("cannot wait for cargo: {e}")));
    match program {
        Some(program) if status.success() => program,
        _ => fail("guest-init, the guest's init, does not build; its errors are above"),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1);
}
