use super::super::samples::{self, ADDRESS, BZIMAGE_CODE_AT, CODE, MEMORY, file};
use super::*;
use crate::config::MemoryConfig;
use proptest::prelude::*;
use std::{env, io::Seek};
use vm_memory::{Bytes, GuestAddress};

const MIB: u64 = 1 << 20;
const LINE: &str = "console=hvc0 panic=-1";

fn ram(mib: u64) -> GuestRam {
    GuestRam::new(&MemoryConfig {
        bytes: mib * MIB,
        huge_pages: false,
        file: false,
    })
    .expect("address space")
}

fn bytes_at(ram: &GuestRam, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    ram.memory()
        .read_slice(&mut bytes, GuestAddress(address))
        .expect("RAM");
    bytes
}

fn u32_at(ram: &GuestRam, address: u64) -> u32 {
    ram.memory().read_obj(GuestAddress(address)).expect("RAM")
}

#[test]
fn an_elf_kernel_with_everything() {
    let ram = ram(64);
    let kernel = file(&samples::elf64());
    let initramfs = file(b"the initramfs");
    let loaded = load(
        &ram,
        &kernel,
        Some(&initramfs),
        LINE,
        Some(layout::ACPI.start),
    )
    .expect("fits");
    assert_eq!(
        loaded,
        Loaded {
            entry: Entry::Bits64,
            start: ADDRESS,
            argument: layout::ZERO_PAGE.start,
            kernel_end: ADDRESS + MEMORY,
            initramfs: Some(Area {
                start: 64 * MIB - 4096,
                len: 13
            }),
        }
    );
    assert_eq!(bytes_at(&ram, ADDRESS, CODE.len()), CODE);
    assert_eq!(bytes_at(&ram, 64 * MIB - 4096, 14), b"the initramfs\0");
    let line = bytes_at(&ram, layout::COMMAND_LINE.start, LINE.len() + 1);
    assert_eq!(line, [LINE.as_bytes(), &[0]].concat());
    assert_eq!(
        u32_at(&ram, layout::ZERO_PAGE.start + 0x218),
        (64 << 20) - 4096
    );
    assert_eq!(u32_at(&ram, layout::ZERO_PAGE.start + 0x70), 0xe_0000);
    // Neither file's position is used.
    assert_eq!(
        (&kernel).stream_position().expect("a file"),
        samples::elf64().len() as u64
    );
}

#[test]
fn a_bzimage_keeps_its_header() {
    let ram = ram(64);
    let loaded = load(&ram, &file(&samples::bzimage()), None, LINE, None).expect("fits");
    assert_eq!(loaded.entry, Entry::Decompressor64);
    assert_eq!((loaded.start, loaded.initramfs), (ADDRESS + 0x200, None));
    let protected = &samples::bzimage()[BZIMAGE_CODE_AT..];
    assert_eq!(bytes_at(&ram, ADDRESS, protected.len()), protected);
    let zero_page = layout::ZERO_PAGE.start;
    assert_eq!(u32_at(&ram, zero_page + 0x206) & 0xffff, 0x020f, "version");
    assert_eq!(
        u32_at(&ram, zero_page + 0x210) & 0xff,
        0xff,
        "type_of_loader"
    );
    assert_eq!(u32_at(&ram, zero_page + 0x260), MEMORY as u32, "init_size");
    assert_eq!(u32_at(&ram, zero_page + 0x218), 0, "no initramfs");
}

#[test]
fn a_32_bit_kernel_is_told_by_pvh() {
    let ram = ram(2048);
    let initramfs = file(&[7; 5000]);
    let loaded = load(&ram, &file(&samples::elf32()), Some(&initramfs), LINE, None).expect("fits");
    assert_eq!(loaded.entry, Entry::Pvh);
    assert_eq!(loaded.start, ADDRESS + 1);
    assert_eq!(loaded.argument, layout::PVH_INFO.start);
    assert_eq!(
        loaded.initramfs.map(|area| area.start),
        Some(0x3800_0000 - 8192)
    );
    assert_eq!(bytes_at(&ram, ADDRESS, CODE.len()), CODE);
    assert_eq!(u32_at(&ram, layout::PVH_INFO.start), 0x336e_c578);
    assert_eq!(
        u32_at(&ram, layout::ZERO_PAGE.start + 0x202),
        0,
        "no zero page"
    );
}

#[test]
fn the_limit_of_the_command_line_is_the_kernels_own() {
    let mut kernel = samples::bzimage();
    samples::put(&mut kernel, 0x238, &255u32.to_le_bytes());
    let error = load(&ram(64), &file(&kernel), None, &"x".repeat(256), None).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "the kernel command line has 256 bytes and the kernel takes at most 255"
    );
    let error = load(
        &ram(64),
        &file(&samples::elf64()),
        None,
        &"x".repeat(2048),
        None,
    );
    assert!(
        matches!(error, Err(LoadError::CommandLineLength { limit: 2047, .. })),
        "{error:?}"
    );
}

#[test]
fn an_initramfs_that_does_not_fit_is_refused() {
    let initramfs = file(b"");
    initramfs.set_len(100 * MIB).expect("a sparse file");
    for kernel in [samples::elf64(), samples::bzimage()] {
        let error =
            load(&ram(64), &file(&kernel), Some(&initramfs), "", None).expect_err("too large");
        assert_eq!(
            error.to_string(),
            "64 MiB of memory are too little: the kernel and its initramfs alone need 118 MiB"
        );
        load(&ram(118), &file(&kernel), Some(&initramfs), "", None).expect("as it says");
    }
}

#[test]
fn an_empty_initramfs_is_none() {
    let loaded = load(
        &ram(64),
        &file(&samples::elf64()),
        Some(&file(b"")),
        "",
        None,
    )
    .expect("fits");
    assert_eq!(loaded.initramfs, None);
}

#[test]
fn other_files_are_no_kernels() {
    for bytes in [b"".as_slice(), b"\x7fEL", b"#!/bin/sh\n", &[0; 0x300]] {
        let error = load(&ram(64), &file(bytes), None, "", None).expect_err("no kernel");
        assert!(matches!(error, LoadError::Format { .. }), "{error}");
    }
    assert_eq!(
        load(&ram(64), &file(b"MZ"), None, "", None)
            .expect_err("no kernel")
            .to_string(),
        "the kernel is neither a bzImage nor an ELF file: it is 2 bytes and begins with [4d, 5a]"
    );
}

/// What `RUNNER_TEST_KERNEL` names: a bzImage or a vmlinux.
#[test]
fn a_real_kernel_is_loaded() {
    let Some(path) = env::var_os("RUNNER_TEST_KERNEL") else {
        println!("SKIP: RUNNER_TEST_KERNEL names no kernel");
        return;
    };
    let kernel = File::open(path).expect("a kernel");
    let loaded = load(&ram(256), &kernel, Some(&file(&[1; 4097])), LINE, None).expect("fits");
    println!("{loaded:x?}, {}", loaded.entry);
    let error = load(&ram(16), &kernel, None, LINE, None).expect_err("too small");
    assert!(matches!(error, LoadError::Memory { .. }), "{error}");
    println!("{error}");
}

/// Values that have to be thought of.
fn wild() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(1 << 40),
        Just(i64::MAX as u64),
        0u64..0x1000,
        ADDRESS - 0x1000..ADDRESS + 0x1000,
        (0u32..64).prop_map(|bit| 1 << bit),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_images_are_errors_or_lie_where_they_should(
        which in 0usize..3,
        edits in prop::collection::vec((any::<prop::sample::Index>(), wild(), 1usize..9), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        initramfs_len in 0u64..64 << 10,
    ) {
        let mut kernel = [samples::elf64, samples::elf32, samples::bzimage][which]();
        // Headers are where it hurts.
        let (from, to) = if which == 2 { (0x1f0, 0x270) } else { (0, samples::ELF_CODE_AT) };
        for (at, value, len) in edits {
            let at = from + at.index(to - from - 8);
            samples::put(&mut kernel, at, &value.to_le_bytes()[..len]);
        }
        if let Some(cut) = cut {
            kernel.truncate(cut.index(kernel.len() + 1));
        }
        let initramfs = file(b"");
        initramfs.set_len(initramfs_len).expect("a sparse file");
        let ram = ram(64);
        if let Ok(loaded) = load(&ram, &file(&kernel), Some(&initramfs), LINE, None) {
            prop_assert!(loaded.kernel_end <= 64 * MIB);
            prop_assert!((layout::HIGH_RAM_START..loaded.kernel_end).contains(&loaded.start));
            if let Some(area) = loaded.initramfs {
                prop_assert!(area.start >= loaded.kernel_end && area.end() <= 64 * MIB);
            }
        }
        for area in [layout::GDT, layout::BOOT_STACK, layout::PAGE_TABLES, layout::EBDA, layout::VMGENID] {
            let bytes = bytes_at(&ram, area.start, area.len as usize);
            prop_assert!(bytes.iter().all(|byte| *byte == 0), "{area:x?}");
        }
    }
}
