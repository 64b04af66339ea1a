//! What clumsy hands give the command. Each case has its exit status and one plain sentence that names the thing
//! and the way out; nothing boots.

mod common;
mod said;

use common::on_path;
use said::{Place, Said};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

/// Whether there is an engine; without one nothing that comes after its choice can be seen.
fn engine() -> bool {
    let there = on_path("qemu-system-x86_64");
    if !there {
        eprintln!("SKIP: qemu-system-x86_64 is not installed");
    }
    there
}

#[test]
fn a_kernel_that_is_none_cannot_be_judged() {
    let place = Place::new();
    fs::create_dir(place.path().join("directory")).expect("made");
    place.write("text", "make bzImage\n");
    place.write("empty", "");
    place.write("noise", [0xAA; 4096]);
    let image = fs::read(place.path().join("bzImage")).expect("read");
    place.write("cut", &image[..3000]);
    let mut arm64 = vec![0; 4096];
    arm64[..2].copy_from_slice(b"MZ");
    arm64[56..60].copy_from_slice(b"ARM\x64");
    place.write("Image", arm64);
    let mut elf = vec![0; 4096];
    elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    elf[16..20].copy_from_slice(&[2, 0, 183, 0]);
    elf[20] = 1;
    place.write("vmlinux", elf);
    let before = place.names();
    for (kernel, reason) in [
        ("nosuch", "does not exist"),
        ("directory", "is a directory"),
        ("text", "is a text file"),
        ("empty", "is empty"),
        ("noise", "is not a kernel image"),
        ("cut", "is cut off"),
        ("Image", "arm64"),
        ("vmlinux", "arm64"),
        ("/bin/sh", "is a program"),
        ("/dev/null", "is not a regular file"),
    ] {
        let said = place.runner(["test", "--kernel", kernel]);
        said.assert_line(125, &[kernel, reason]);
    }
    assert_eq!(place.names(), before, "nothing is left behind");
}

#[test]
fn a_real_kernel_that_is_cut_off_is_found_out() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    let place = Place::new();
    let image = fs::read(kernel).expect("read");
    for part in [image.len() / 2, image.len() - 4096] {
        place.write("vmlinuz", &image[..part]);
        let said = place.runner(["test", "--kernel", "vmlinuz"]);
        said.assert_line(125, &["vmlinuz", "cut off", "missing"]);
    }
}

#[test]
fn memory_that_cannot_be_enough_is_refused() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    let place = Place::new();
    let kernel = kernel.display().to_string();
    let said = place.runner(["test", "--kernel", &kernel, "--memory", "64M"]);
    said.assert(128, &["--memory 64M", "too little", "or more"]);
    assert_eq!(
        place.names(),
        ["bzImage"],
        "nothing is made for a run that is refused"
    );
}

#[test]
fn a_kernel_that_lacks_what_runs_need_is_named_with_the_remedy() {
    if !engine() {
        return;
    }
    let place = Place::new();
    let image = fs::read(place.path().join("bzImage")).expect("read");
    let path = place.write("linux/arch/x86/boot/bzImage", image);
    place.write("linux/include/config/kernel.release", "6.99.0-nothing\n");
    let rest = "CONFIG_64BIT=y\nCONFIG_PCI=y\nCONFIG_NET=y\nCONFIG_VIRTIO_MENU=y\n";
    place.write("linux/.config", rest);
    let kernel = path.to_str().expect("UTF-8");
    let said = place.runner(["test", "--kernel", kernel]);
    said.assert(
        125,
        &[
            "CONFIG_VIRTIO_PCI",
            "CONFIG_VIRTIO_CONSOLE",
            "CONFIG_9P_FS",
            "CONFIG_NET_9P_VIRTIO",
            "scripts/config",
            "make olddefconfig",
            kernel,
        ],
    );
    // As modules that nobody built.
    let modules = "CONFIG_VIRTIO_PCI=m\nCONFIG_VIRTIO_CONSOLE=m\nCONFIG_9P_FS=m\n";
    place.write("linux/.config", format!("{rest}{modules}"));
    let said = place.runner(["test", "--kernel", kernel]);
    said.assert(125, &["virtio_pci", "make modules"]);
}

#[test]
fn a_selection_is_refused_by_what_is_wrong_with_it() {
    if !engine() {
        return;
    }
    let place = Place::new();
    for (status, args, parts) in [
        // The command line is at fault.
        (
            128,
            &["--suite", "smok"][..],
            &["smok", "kselftest", "nearest is smoke"][..],
        ),
        (128, &["--suite", ""], &["names no suite"]),
        (128, &["--suite", "smoke:"], &["smoke:", "a check's name"]),
        (
            128,
            &["--suite", "smoke:["],
            &["broken glob", "unclosed character class"],
        ),
        (128, &["--suite", "smoke:a:b"], &["smoke[:CHECK]"]),
        (128, &["--suite", "exec:"], &["exec:", "a command"]),
        (
            128,
            &["--suite", "exec:sh -c 'exit 1"],
            &["exec:sh -c 'exit 1", "never closed"],
        ),
        (128, &["--skip", "nosuch"], &["nosuch", "names no suite"]),
        (
            128,
            &["--suite", "kselftest:timers"],
            &["--tree", "--kselftest"],
        ),
        (
            128,
            &["--suite", "kselftest", "--kselftest", "nosuch"],
            &["nosuch", "no such directory"],
        ),
        (
            128,
            &["--suite", "kselftest", "--kselftest", "."],
            &["kselftest-list.txt", "install"],
        ),
        (
            128,
            &["--suite", "kselftest", "--tree", "."],
            &["not a kernel source tree", "Makefile"],
        ),
        (
            128,
            &["--suite", "kselftest", "--tree", "nosuch"],
            &["nosuch", "No such file"],
        ),
        // There is nothing to judge by.
        (
            125,
            &["--suite", "smoke:z*"],
            &["smoke:z*", "matches no test", "fork-exec"],
        ),
        (
            125,
            &["--skip", "smoke"],
            &["nothing is left to run", "--skip"],
        ),
        (
            125,
            &["--suite", "exec:true", "--skip", "exec:t*"],
            &["nothing is left to run"],
        ),
    ] {
        place.test(args).assert_line(status, parts);
    }
    assert_eq!(place.names(), ["bzImage"], "nothing is left behind");
}

#[test]
fn values_that_make_no_sense_are_refused_before_anything_starts() {
    let place = Place::new();
    place.write("file", "");
    for (args, parts) in [
        (&["--cpus", "0"][..], &["--cpus", "from 1 to 255"][..]),
        (&["--cpus", "-1"], &["'-1'", "from 1 to 255"]),
        (&["--cpus", "two"], &["'two'", "from 1 to 255"]),
        (&["--memory", "1K"], &["'1K'", "512M, 2G"]),
        (&["--memory", "1M"], &["64M"]),
        (&["--memory", "-1"], &["'-1'"]),
        (&["--memory", "99999999999999999999G"], &["512M, 2G"]),
        (&["--timeout", "soon"], &["'soon'", "a number of seconds"]),
        (&["--timeout", "-1"], &["'-1'"]),
        (&["--boot-timeout", "0"], &["more than 0"]),
        (&["--timeout-scale", "0"], &["between 0.01 and 1000"]),
        (&["--share", "/tmp"], &["HOST=GUEST"]),
        (&["--share", "/tmp=tmp"], &["an absolute path"]),
        (&["--share", "/tmp=/"], &["--root"]),
        (&["--share", "/tmp=/a/../b"], &[".."]),
        (&["--env", ""], &["NAME=VALUE"]),
        (&["--env", "=1"], &["NAME=VALUE"]),
        (&["--env", "NOT_SET_ANYWHERE"], &["NOT_SET_ANYWHERE"]),
        (&["--module", ""], &["--module"]),
        (&["--engine", "xen"], &["'xen'", "auto, kvm, qemu"]),
        (&["--transport", "usb"], &["'usb'", "pci, mmio"]),
        (&["--boot-failure", "maybe"], &["bad, skip"]),
        (
            &["--tree", "a", "--kselftest", "b"],
            &["cannot be used with"],
        ),
        (&["--no-such-option"], &["--no-such-option", "--help"]),
        (&["smoke"], &["'smoke'", "--help"]),
    ] {
        place.test(args).assert(128, parts);
    }
    for (args, parts) in [
        (&["--root", "nosuch"][..], &["--root nosuch"][..]),
        (&["--root", "file"], &["--root file", "not a directory"]),
        (&["--share", "nosuch=/mnt"], &["--share nosuch"]),
        (
            &["--share", "file=/mnt"],
            &["--share file", "not a directory"],
        ),
        (
            &["--share", ".=/etc/passwd/below"],
            &["/etc/passwd", "not a directory"],
        ),
        (
            &["--append", &"x".repeat(2000)],
            &["--append", "2001", "1024"],
        ),
    ] {
        place.test(args).assert_line(128, parts);
    }
    for args in [
        &["tset"][..],
        &["test", "--kernel"],
        &["list", "--cpus", "2"],
    ] {
        place.runner(args).assert(128, &["--help"]);
    }
    assert_eq!(place.names(), ["bzImage", "file"], "nothing is left behind");
}

#[test]
fn a_module_that_is_not_there_is_named() {
    if !engine() {
        return;
    }
    let place = Place::new();
    let said = place.test(&["--module", "no_such_module"]);
    said.assert_line(125, &["no_such_module", "6.99.0-nothing", "/lib/modules"]);
    let Some(kernel) = common::kernel() else {
        return;
    };
    let kernel = kernel.to_str().expect("UTF-8");
    let said = place.runner(["test", "--kernel", kernel, "--module", "no_such_module"]);
    said.assert_line(125, &["no_such_module", "make modules_install"]);
}

#[test]
fn help_says_what_the_exit_statuses_mean() {
    let place = Place::new();
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["test", "--help"],
        &["test", "-h"],
        &["help", "test"],
    ] {
        let said = place.runner(args);
        said.assert(0, &[]);
        for status in ["  0  ", "  1  ", "125  ", "128  ", "130  ", "143  "] {
            assert!(said.stdout.contains(status), "{args:?}: {said:#?}");
        }
    }
    let said = place.runner(["--version"]);
    said.assert(0, &[]);
    assert_eq!(
        said.stdout,
        format!("runner {}\n", env!("CARGO_PKG_VERSION"))
    );
    // Help that nobody asked for is for standard error.
    let said = place.runner::<&str>([]);
    said.assert(128, &["Usage", "125  "]);
    assert_eq!(said.stdout, "");
}

#[test]
fn without_an_engine_its_package_is_named() {
    let place = Place::new();
    let mut command = place.command(["test", "--kernel", "bzImage"]);
    let said = Said::by(command.env("PATH", place.path()));
    said.assert_line(
        128,
        &["qemu-system-x86_64", "apt-get install qemu-system-x86"],
    );
}

#[test]
fn an_output_directory_that_cannot_be_one_is_refused() {
    if !engine() {
        return;
    }
    let place = Place::new();
    let precious = place.write("results/precious", "mine");
    place.write("file", "");
    for (directory, part) in [
        ("file", "not a directory"),
        ("file/below", "file/below"),
        ("results", "not empty"),
        (".", "not empty"),
        ("/proc/nosuch", "/proc/nosuch"),
    ] {
        let said = place.test(&["--output", directory]);
        said.assert_line(128, &[directory, part]);
    }
    assert_eq!(fs::read(precious).expect("still there"), b"mine");

    let closed = place.path().join("closed");
    fs::create_dir(&closed).expect("made");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).expect("closed");
    if fs::write(closed.join("probe"), "").is_ok() {
        eprintln!("SKIP: this user writes where nobody may, so a closed directory shows nothing");
    } else {
        let said = place.test(&["--output", "closed/results"]);
        said.assert_line(128, &["closed/results", "Permission denied"]);
    }
}

/// A shell in a mount namespace with a small tmpfs on `directory`, or why there is none.
fn in_small_tmpfs(directory: &Path, kib: u32) -> Result<Command, String> {
    let mut problem = String::new();
    for options in [&["--mount"][..], &["--mount", "--map-root-user"]] {
        let mut shell = Command::new("unshare");
        shell.args(options).args(["sh", "-c"]);
        let mount = format!("mount -t tmpfs -o size={kib}k none {}", directory.display());
        let mut probe = Command::new("unshare");
        probe.args(options).args(["sh", "-c", &mount]);
        match probe.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {
                shell.arg(format!("{mount} && exec \"$@\"")).arg("sh");
                return Ok(shell);
            }
            Ok(output) => problem = String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(e) => problem = format!("unshare: {e}"),
        }
    }
    Err(problem)
}

#[test]
fn a_disk_that_fills_up_stops_the_run_and_shows_what_is_known() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    let place = Place::new();
    let small = place.path().join("small");
    fs::create_dir(&small).expect("made");
    let mut shell = match in_small_tmpfs(&small, 1024) {
        Ok(shell) => shell,
        Err(why) => return eprintln!("SKIP: no tmpfs can be mounted here: {}", why.trim()),
    };
    let inner = place.command([
        "test",
        "--output",
        "small/out",
        "--suite",
        "exec:echo first",
        "--suite",
        "exec:dd if=/dev/zero bs=1M count=4",
        "--suite",
        "exec:echo last",
        "--kernel",
    ]);
    shell
        .arg(inner.get_program())
        .args(inner.get_args())
        .arg(kernel)
        .current_dir(place.path())
        .env("CI", "1")
        .env("XDG_CACHE_HOME", common::shared_dir().join("cache"))
        .stdin(Stdio::null());
    let said = Said::by(&mut shell);
    said.assert(128, &["exec:echo first", "disk is full", "--output"]);
    let passed = |line: &str| line.contains("PASS") && line.ends_with("exec:echo first");
    assert!(said.stderr.lines().any(passed), "{said:#?}");
}
