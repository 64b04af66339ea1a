use super::super::fixture::{self, bzimage, elf_header, gzip, put16, put32, vmlinux};
use super::*;
use proptest::prelude::*;
use std::{fs, os::unix::fs::PermissionsExt};

fn open_bytes(bytes: &[u8]) -> Result<KernelImage, ImageError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    fs::write(&path, bytes).unwrap();
    KernelImage::open(&path)
}

fn complaint(bytes: &[u8]) -> String {
    open_bytes(bytes).unwrap_err().to_string()
}

fn good_bzimage() -> Vec<u8> {
    bzimage("6.12.1-test+", &gzip(&b"the kernel proper ".repeat(100)))
}

fn good_vmlinux() -> Vec<u8> {
    let content = [
        &b"Linux version too old\0%s version Linux version %s\0"[..],
        b"Linux version 6.12.1-test+ (me@host) (gcc) #1 SMP\n\0",
    ]
    .concat();
    vmlinux(&content, true)
}

#[test]
fn a_bzimage_gives_release_facts_and_kernel() {
    let image = open_bytes(&good_bzimage()).unwrap();
    assert_eq!(image.release, "6.12.1-test+");
    let Format::BzImage(facts) = &image.format else {
        panic!("not a bzImage");
    };
    assert_eq!(facts.protocol, 0x020F);
    assert_eq!(facts.cmdline_size, 2047);
    assert_eq!(facts.payload_offset, 2048 + 0x80);
    let kernel = image.unpack().unwrap().unwrap();
    assert_eq!(kernel, b"the kernel proper ".repeat(100));
}

#[test]
fn a_vmlinux_gives_release_and_pvh() {
    let image = open_bytes(&good_vmlinux()).unwrap();
    assert_eq!(image.release, "6.12.1-test+");
    assert!(matches!(&image.format, Format::Vmlinux(v) if v.pvh && v.segments.len() == 1));
    assert!(image.unpack().unwrap().is_none());
    let without = vmlinux(b"Linux version 6.1 (me", false);
    let image = open_bytes(&without).unwrap();
    assert!(matches!(&image.format, Format::Vmlinux(v) if !v.pvh));
}

#[test]
fn paths_that_are_no_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let complaint = |path: &Path| KernelImage::open(path).unwrap_err().to_string();

    let missing = complaint(&dir.path().join("nothing"));
    assert!(missing.contains("nothing does not exist"), "{missing}");
    let below_file = dir.path().join("file/x");
    fs::write(dir.path().join("file"), "x").unwrap();
    assert!(complaint(&below_file).contains("does not exist"));

    assert!(complaint(dir.path()).contains("is a directory; name a kernel image"));
    let image = dir.path().join("arch/x86/boot/bzImage");
    fixture::write(&image, "x");
    assert!(complaint(dir.path()).contains(&format!("such as {}", image.display())));

    assert!(complaint(Path::new("/dev/null")).contains("not a regular file"));
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(complaint(&pipe).contains("not a regular file"));

    let secret = dir.path().join("secret");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&secret).is_ok() {
        println!("SKIP: this user may read every file");
    } else {
        let text = complaint(&secret);
        assert!(text.contains("may not be read by this user"), "{text}");
    }
    let text = ImageError::Permission("/boot/vmlinuz".into()).to_string();
    assert!(
        text.contains("sudo install -m 644 /boot/vmlinuz ."),
        "{text}"
    );
}

#[test]
fn files_that_are_no_kernels_are_named() {
    let at = |offset: usize, magic: &[u8]| {
        let mut bytes = vec![0; 4096];
        bytes[offset..offset + magic.len()].copy_from_slice(magic);
        bytes
    };
    let mut big_endian = elf_header(2, 0, 0);
    big_endian[5] = 2;
    big_endian[18..20].copy_from_slice(&22u16.to_be_bytes());
    let mut x32 = elf_header(2, 3, 0);
    x32[4] = 1;
    let mut arm64_efi = at(56, b"ARM\x64");
    arm64_efi[..2].copy_from_slice(b"MZ");

    for (bytes, part) in [
        (
            b"#!/bin/sh\necho hello\n".to_vec(),
            "is a text file, not a kernel image",
        ),
        ("größe\n".repeat(300).into_bytes(), "is a text file"),
        (at(56, b"ARM\x64"), "for arm64"),
        (arm64_efi, "for arm64"),
        (at(56, b"RSC\x05"), "for riscv"),
        (at(4, b"zimg"), "zboot"),
        (at(257, b"ustar"), "tar archive"),
        (b"070701000".to_vec(), "cpio"),
        (b"!<arch>\ndebian".to_vec(), "Debian package"),
        (at(0, b"MZ"), "unified kernel image"),
        (gzip(&at(56, b"ARM\x64")), "compressed with gzip"),
        (at(0, b"\x28\xb5\x2f\xfd"), "compressed with zstd"),
        (
            vec![0; 4096],
            "neither a Linux boot header nor an ELF header",
        ),
        (vec![0xFF, 0xFE, 0x80], "neither"),
        (elf_header(2, 183, 0), "ELF file for arm64"),
        (elf_header(2, 243, 0), "ELF file for riscv"),
        (big_endian, "ELF file for s390"),
        (elf_header(2, 999, 0), "ELF machine number 999"),
        (x32, "32-bit x86"),
        (elf_header(1, 62, 0), "kernel module"),
        (elf_header(4, 62, 0), "core dump"),
        (elf_header(9, 62, 0), "unknown type 9"),
        (elf_header(3, 62, 0), "is a program, not a kernel"),
        (vmlinux(b"NetBSD", false), "not Linux"),
        (
            b"\x7fELF\x02\x01\x01".to_vec(),
            "first bytes of an ELF file",
        ),
    ] {
        let text = complaint(&bytes);
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert!(complaint(b"").contains("is empty"));
}

#[test]
fn this_very_program_is_not_a_kernel() {
    let text = KernelImage::open(&std::env::current_exe().unwrap())
        .unwrap_err()
        .to_string();
    assert!(text.contains("is a program, not a kernel"), "{text}");
}

#[test]
fn a_cut_image_says_how_much_is_missing() {
    let whole = good_bzimage();
    for (kept, missing) in [
        (whole.len() - 1, 1),
        (2048, whole.len() - 2048),
        (0x206, 0x5E),
    ] {
        let text = complaint(&whole[..kept]);
        let part = format!("is cut off: {missing} bytes of the kernel are missing");
        assert!(text.contains(&part), "{kept}: {text}");
    }
    let whole = vmlinux(b"Linux version 6.1 (me", false);
    let text = complaint(&whole[..whole.len() - 3]);
    assert!(text.contains("is cut off: 3 bytes"), "{text}");
}

/// Puts a version string where the setup code has ended, and has the header point to it.
fn point_behind_setup(bytes: &mut [u8]) {
    bytes[0x800..0x804].copy_from_slice(b"6.1 ");
    put16(bytes, 0x20E, 0x600);
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    type Change = fn(&mut [u8]);
    let cases: [(Change, &str); 10] = [
        (|b| put16(b, 0x206, 0x0203), "boot protocol 2.03"),
        (|b| put16(b, 0x236, 0), "32-bit kernel"),
        (|b| b[0x211] = 0, "zImage"),
        (|b| put32(b, 0x24C, 0), "0 bytes of packed kernel"),
        (|b| put32(b, 0x24C, u32::MAX), "packed kernel at offset"),
        (|b| put32(b, 0x248, u32::MAX), "packed kernel at offset"),
        (|b| put32(b, 0x1F4, u32::MAX), "is cut off: 6871947"),
        (|b| put16(b, 0x20E, 0), "names no kernel version"),
        (point_behind_setup, "names no kernel version"),
        (|b| b[0x501] = b'/', "names no kernel version"),
    ];
    for (change, part) in cases {
        let mut bytes = good_bzimage();
        change(&mut bytes);
        let text = complaint(&bytes);
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_release_is_a_safe_file_name() {
    for (text, release) in [
        ("6.1.0-56-amd64 (x", Some("6.1.0-56-amd64")),
        ("6.12.0-rc3+ ", Some("6.12.0-rc3+")),
        ("../../etc ", None),
        ("6/../.. ", None),
        ("6.1", None),
        ("6.\x011 ", None),
        (" 6.1 ", None),
        ("", None),
    ] {
        assert_eq!(
            leading_release(text.as_bytes()).as_deref(),
            release,
            "{text:?}"
        );
    }
    let long = format!("{} ", "6".repeat(65));
    assert_eq!(leading_release(long.as_bytes()), None);
    assert!(leading_release(&long.as_bytes()[1..]).is_some());
}

#[test]
fn an_image_that_shrinks_after_opening_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let whole = good_bzimage();
    fs::write(file.path(), &whole).unwrap();
    let image = KernelImage::open(file.path()).unwrap();
    file.as_file().set_len(2200).unwrap();
    assert!(matches!(image.unpack(), Err(ImageError::Truncated { .. })));
}

#[test]
fn real_kernels_are_read() {
    for path in [
        fixture::installed_kernels(),
        fixture::given_kernels("bzImage"),
    ]
    .concat()
    {
        let image = KernelImage::open(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            name.ends_with(&image.release),
            "{name} is {}",
            image.release
        );
        let kernel = image.unpack().unwrap().unwrap();
        assert!(kernel.starts_with(b"\x7fELF"), "{name}");
        // What is inside is a vmlinux of the same release.
        let inside = open_bytes(&kernel).unwrap();
        assert_eq!(inside.release, image.release);

        let bytes = fs::read(&path).unwrap();
        let text = complaint(&bytes[..bytes.len() / 2]);
        assert!(text.contains("is cut off"), "{text}");
    }
    for path in fixture::given_kernels("vmlinux") {
        match KernelImage::open(&path) {
            Ok(image) => assert!(matches!(image.format, Format::Vmlinux(_))),
            Err(error) => assert!(error.to_string().contains("compressed with"), "{error}"),
        }
    }
}

fn mutated(whole: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let interesting = prop_oneof![any::<u8>(), Just(0), Just(0xFF), Just(0x7F), Just(0x80)];
    let len = whole.len();
    (
        prop::collection::vec((0..len, interesting), 0..12),
        prop_oneof![Just(len), 0..=len],
    )
        .prop_map(move |(changes, kept)| {
            let mut bytes = whole.clone();
            for (at, value) in changes {
                bytes[at] = value;
            }
            bytes.truncate(kept);
            bytes
        })
}

/// Changes where they matter most: the headers.
fn mutated_head(whole: Vec<u8>, head: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((head, any::<u8>()), 1..6).prop_map(move |changes| {
        let mut bytes = whole.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn damaged_images_never_panic(
        bytes in prop_oneof![
            mutated(good_bzimage()),
            mutated_head(good_bzimage(), 0x1F1..0x264),
            mutated(good_vmlinux()),
            mutated_head(good_vmlinux(), 0..176),
            prop::collection::vec(any::<u8>(), 0..600),
        ]
    ) {
        match open_bytes(&bytes) {
            Ok(image) => { let _ = image.unpack(); }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
