//! What our own monitor is not given, or cannot use: a plain sentence, the documented status, and nothing left behind.

use super::common::{Processes, kernel};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs `runner exec --engine kvm` with these words in a shell, behind `before`, and checks its status and words.
#[track_caller]
fn assert_refused(before: &str, words: &str, status: i32, parts: &[&str]) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let runner = env!("CARGO_BIN_EXE_runner");
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!(
            "{before} {runner} exec --engine kvm {words} -- true"
        ))
        .env("TMPDIR", dir.path())
        .stdin(Stdio::null());
    let output = shell.output().expect("the shell starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let context = format!("{before} {words}: {said}");
    assert_eq!(output.status.code(), Some(status), "{context}");
    for part in parts {
        assert!(said.contains(part), "{part} is not in {context}");
    }
    assert!(!said.contains("panicked"), "{context}");
    Processes::with_tmpdir(dir.path()).assert_gone();
    let left = fs::read_dir(dir.path()).expect("readable").count();
    assert_eq!(left, 0, "{context}");
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_host_that_denies_kvm_is_told_with_the_way_out() {
    let Some(kernel) = kernel() else { return };
    let kernel = format!("--kernel {}", kernel.display());
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIP: /dev/kvm cannot be hidden without root's rights");
    }
    for (before, parts) in [
        (
            "unshare --mount sh -c 'mount -t tmpfs none /dev && exec \"$@\"' sh",
            &["no /dev/kvm", "load kvm_intel or kvm_amd", "--engine auto"][..],
        ),
        (
            "unshare --mount sh -c 'mount --bind /dev/null /dev/kvm && exec \"$@\"' sh",
            &["/dev/kvm is broken", "--engine auto"],
        ),
        (
            "unshare --mount sh -c 'mount -t tmpfs none /mnt && mknod -m 600 /mnt/kvm c 10 232 && \
             mount --bind /mnt/kvm /dev/kvm && exec \"$@\"' sh setpriv --reuid 65534 --regid 65534 --clear-groups",
            &["no permission for /dev/kvm", "give this user"],
        ),
    ] {
        assert_refused(before, &kernel, 128, parts);
    }
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn limits_of_the_process_are_named() {
    let Some(kernel) = kernel() else { return };
    let kernel = format!("--kernel {}", kernel.display());
    for (before, parts) in [
        ("ulimit -n 64;", &["64 files open", "ulimit -n"][..]),
        ("ulimit -n 20;", &["Too many open files"]),
        (
            "ulimit -v 1000000;",
            &["1073741824 bytes of guest memory", "Cannot allocate memory"],
        ),
        ("ulimit -f 100;", &["File too large"]),
    ] {
        assert_refused(before, &kernel, 128, parts);
    }
}

/// An ELF kernel of one segment that holds no code.
struct Elf {
    entry: u64,
    address: u64,
    memory: u64,
}

impl Elf {
    fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let mut image = vec![0; 0x3000];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01\x01");
        put(0x10, &[2, 0, 62, 0, 1, 0, 0, 0]);
        put(0x18, &self.entry.to_le_bytes());
        put(0x20, &64u64.to_le_bytes());
        put(0x34, &[64, 0, 56, 0, 1, 0, 64, 0]);
        put(0x40, &[1, 0, 0, 0, 7, 0, 0, 0]);
        let segment = [
            0x1000,
            0xffff_ffff_8100_0000,
            self.address,
            0x1000,
            self.memory,
            0x1000,
        ];
        for (n, word) in segment.iter().enumerate() {
            put(0x48 + 8 * n, &u64::to_le_bytes(*word));
        }
        put(
            0x1100,
            b"Linux version 6.99.0-nothing (me@host) (gcc) #1 SMP\n\0",
        );
        let path = directory.join(name);
        fs::write(&path, image).expect("written");
        path
    }
}

#[test]
#[ignore = "needs real KVM: run by on_real_kvm"]
fn a_kernel_that_fits_no_machine_is_refused_in_its_own_terms() {
    const LOADED: u64 = 0x100_0000;
    let directory = tempfile::tempdir().expect("temporary directory");
    for (name, elf, parts) in [
        (
            "a-tebibyte",
            Elf {
                entry: LOADED,
                address: LOADED,
                memory: 1 << 40,
            },
            &["wants 0x10000000000 bytes at 0x1000000"][..],
        ),
        (
            "wraps-around",
            Elf {
                entry: LOADED,
                address: u64::MAX - 0xfff,
                memory: 0x2000,
            },
            &["0x2000 bytes at 0xfffffffffffff000"],
        ),
        (
            "in-the-hole",
            Elf {
                entry: 0xd000_0000,
                address: 0xd000_0000,
                memory: 0x2000,
            },
            &["at 0xd0000000", "between 0x100000 and"],
        ),
        (
            "entered-elsewhere",
            Elf {
                entry: 0xffff << 48,
                address: LOADED,
                memory: 0x2000,
            },
            &["entry 0xffff000000000000", "PVH"],
        ),
    ] {
        let kernel = elf.write(directory.path(), name);
        assert_refused("", &format!("--kernel {}", kernel.display()), 128, parts);
    }
    // Nothing but zeros to run: a guest that dies at once, and its registers.
    let elf = Elf {
        entry: LOADED,
        address: LOADED,
        memory: 0x2000,
    };
    let kernel = elf.write(directory.path(), "empty");
    let words = format!("--kernel {}", kernel.display());
    assert_refused("", &words, 123, &["triple fault", "EFER"]);
}
