//! Suites beside the built-in checks and the selftests, and what lists say of tests, on a real kernel.

mod common;

use common::Run;
use std::{fs, path::Path};

/// The project's directory.
fn project() -> &'static Path {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir
        .parent()
        .expect("the workspace is above its crates")
}

#[test]
fn the_worked_example_of_a_manifest_runs() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .cwd(project())
        .suite("./examples/manifest/tests.toml")
        .run();
    done.assert_status(0);
    done.assert_outcome("manifest:example:proc version", "pass", "");
    done.assert_outcome("manifest:example:tmpfs", "pass", "");
    let subtests = done.result("tmpfs")["subtests"]
        .as_array()
        .expect("results");
    assert_eq!(subtests.len(), 3, "{subtests:?}");
    // Not every host of this test has ip and unshare; either way it is known which.
    assert!(["pass", "skip"].contains(&done.outcome("loopback")));
    done.assert_outcome("pointer authentication", "skip", "CONFIG_ARM64_PTR_AUTH");
}

#[test]
fn a_manifests_test_finds_its_directory_arguments_and_environment() {
    let Some(run) = Run::on_kernel() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::create_dir_all(dir.path().join("a b")).expect("made");
    let manifest = "name = \"m\"\n\
        [[test]]\nname = \"around\"\ncommand = [\"sh\", \"-c\", \"pwd; echo $X; echo $1\", \"sh\", \"one two\"]\n\
        cwd = \"a b\"\nenv = { X = \"a = b\" }\n\
        [[test]]\nname = \"slow\"\ncommand = \"sleep 60\"\ntimeout = 1\n\
        [[test]]\nname = \"loop\"\ncommand = \"test -b /dev/loop0\"\nneeds = [\"module:loop\"]\n\
        [[test]]\nname = \"results\"\ncommand = \"printf 'ok 1 a\\\\nnot ok 2 b\\\\n'\"\nparser = \"tap\"\n\
        [[test]]\nname = \"plain\"\ncommand = \"printf 'not ok 1 a\\\\n'\"\n";
    fs::write(dir.path().join("x.toml"), manifest).expect("written");
    let done = run
        .cwd(dir.path())
        .suite("x.toml")
        .arg("--timeout-scale=2")
        .run();
    done.assert_status(1);
    let stdout = done.output("around", "stdout");
    let dir = dir.path().canonicalize().expect("there");
    assert_eq!(
        stdout,
        format!("{}/a b\na = b\none two\n", dir.display()),
        "{}",
        done.stderr
    );
    done.assert_outcome("slow", "time-out", "");
    done.assert_outcome("loop", "pass", "");
    done.assert_outcome("results", "fail", "");
    done.assert_outcome("plain", "pass", "");
}

#[test]
fn lists_skip_and_expect_with_their_reasons() {
    let Some(run) = Run::on_kernel() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).expect("written");
    };
    write(
        "what",
        "# both at once\nsmoke:clock\nsmoke:memory\n\nexec:false\nexec:true\nexec:sleep 0\n",
    );
    write(
        "known.toml",
        "[[skip]]\ntest = \"smoke:mem*\"\nreason = \"not today\"\n\
         [[skip]]\ntest = \"exec:true\"\nreason = \"other kernels\"\nkernel = \"1.0..1.1\"\n\
         [[skip]]\ntest = \"kselftest:mm\"\nreason = \"not selected\"\n\
         [[known-failure]]\ntest = \"exec:false\"\nreason = \"it has to\"\nkernel = \"2.6..\"\n\
         [[known-failure]]\ntest = \"exec:sleep*\"\nreason = \"fixed long ago\"\n",
    );
    let done = run
        .cwd(dir.path())
        .args(["--from-file", "what"])
        .args(["--skip-list", "known.toml"])
        .args(["--known-failures", "known.toml"])
        .run();
    done.assert_status(0);
    done.assert_outcome("smoke:clock", "pass", "");
    done.assert_outcome("smoke:memory", "skip", "not today (known.toml:2)");
    done.assert_outcome("exec:true", "pass", "");
    done.assert_outcome("exec:false", "expected-fail", "it has to (known.toml:12)");
    done.assert_outcome("exec:sleep 0", "pass", "");
    let warnings = done.results["warnings"].to_string();
    assert!(warnings.contains("kselftest:mm (line 9)"), "{warnings}");
    assert!(
        warnings.contains("fixed long ago (known.toml:16)"),
        "{warnings}"
    );
}
