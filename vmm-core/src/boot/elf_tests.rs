use super::super::samples::{self, ADDRESS, CODE, ELF_CODE_AT, ELF_NOTES_AT, MEMORY, put};
use super::*;

const LOW_END: u64 = 64 << 20;

fn parse(bytes: &[u8]) -> Result<Elf, LoadError> {
    let file = samples::file(bytes);
    Elf::parse(&Image::new(&file, "kernel").expect("a file"), LOW_END)
}

fn changed(at: usize, value: &[u8]) -> Result<Elf, LoadError> {
    let mut bytes = samples::elf64();
    put(&mut bytes, at, value);
    parse(&bytes)
}

/// Fields of the first program header of the 64-bit sample.
const OFFSET: usize = 64 + 8;
const PADDR: usize = 64 + 24;
const FILE_BYTES: usize = 64 + 32;
const MEMORY_BYTES: usize = 64 + 40;
const ENTRY: usize = 24;

#[test]
fn the_64_bit_entry_comes_first() {
    let elf = parse(&samples::elf64()).expect("a kernel");
    assert_eq!(
        (elf.entry, elf.end),
        (Entry::Bits64(ADDRESS), ADDRESS + MEMORY)
    );
}

#[test]
fn pvh_is_for_what_has_no_64_bit_entry() {
    let pvh = Entry::Pvh(ADDRESS + 1);
    assert_eq!(parse(&samples::elf32()).expect("a kernel").entry, pvh);
    // A virtual address, one that only takes memory, another machine.
    for entry in [0xffff_ffff_8100_0000, ADDRESS + CODE.len() as u64] {
        let elf = changed(ENTRY, &entry.to_le_bytes()).expect("a kernel");
        assert_eq!(elf.entry, pvh);
    }
    assert_eq!(changed(18, &[3, 0]).expect("a kernel").entry, pvh);
}

#[test]
fn no_way_in_is_an_error() {
    let mut bytes = samples::elf64();
    put(&mut bytes, ENTRY, &[0; 8]);
    put(&mut bytes, ELF_NOTES_AT + 28 + 16, &[1, 0, 0, 0]);
    let error = parse(&bytes).expect_err("no way in");
    assert_eq!(
        error.to_string(),
        "the kernel's ELF entry 0x0 is not in a loaded 64-bit segment, and it has its PVH entry 0x1 in none, too"
    );
    put(&mut bytes, ELF_NOTES_AT + 28 + 8, &[17]);
    let error = parse(&bytes).expect_err("no way in");
    assert!(
        error.to_string().ends_with("it has no PVH entry"),
        "{error}"
    );
}

#[test]
fn segments_have_to_lie_where_kernels_may() {
    for (address, bytes) in [
        (0, MEMORY),
        (0xf_f000, MEMORY),
        (ADDRESS, 1 << 40),
        (ADDRESS, u64::MAX),
        (u64::MAX - 1, MEMORY),
        (layout::HOLE_START - 0x1000, MEMORY),
        (layout::HOLE_END, MEMORY),
    ] {
        let mut kernel = samples::elf64();
        put(&mut kernel, PADDR, &address.to_le_bytes());
        put(&mut kernel, MEMORY_BYTES, &bytes.to_le_bytes());
        let error = parse(&kernel).expect_err("a wild place");
        assert!(matches!(error, LoadError::Place { .. }), "{error}");
    }
}

#[test]
fn too_little_memory_says_how_much_would_do() {
    let error = changed(MEMORY_BYTES, &(100u64 << 20).to_le_bytes()).expect_err("too little");
    assert_eq!(
        error.to_string(),
        "64 MiB of memory are too little: the kernel and its initramfs alone need 116 MiB"
    );
}

#[test]
fn what_is_not_in_the_file_is_named() {
    for offset in [ELF_CODE_AT as u64 + 1, 1 << 40, u64::MAX] {
        let error = changed(OFFSET, &offset.to_le_bytes()).expect_err("cut");
        assert!(
            matches!(
                error,
                LoadError::Cut {
                    part: "segment",
                    ..
                }
            ),
            "{error}"
        );
        let error = changed(OFFSET + 56, &offset.to_le_bytes()).expect_err("cut");
        assert!(
            matches!(
                error,
                LoadError::Cut {
                    part: "note segment",
                    ..
                }
            ),
            "{error}"
        );
    }
    let error = changed(FILE_BYTES, &(MEMORY + 1).to_le_bytes()).expect_err("more in the file");
    assert!(matches!(error, LoadError::SegmentSizes { .. }), "{error}");
    for kernel in [samples::elf64(), samples::elf32()] {
        for len in 4..kernel.len() {
            parse(&kernel[..len]).expect_err("cut");
        }
    }
}

#[test]
fn other_files_are_refused() {
    // Class, data encoding, machine.
    for (at, value) in [(4, 3), (5, 2), (18, 183)] {
        let error = changed(at, &[value]).expect_err("not for us");
        assert!(matches!(error, LoadError::NotX86 { .. }), "{error}");
    }
    // Number, size and place of program headers.
    for (at, value) in [(57, 1), (54, 32), (32, 63)] {
        let error = changed(at, &[value]).expect_err("no kernel has these");
        assert!(matches!(error, LoadError::ProgramHeaders { .. }), "{error}");
    }
    // No program headers, none to load, none that takes memory.
    for (at, value) in [(56, 0), (64, 2)] {
        let error = changed(at, &[value]).expect_err("nothing");
        assert!(matches!(error, LoadError::NoSegment), "{error}");
    }
    let mut bytes = samples::elf64();
    put(&mut bytes, FILE_BYTES, &[0; 16]);
    assert!(matches!(parse(&bytes), Err(LoadError::NoSegment)));
}

#[test]
fn notes_that_make_no_sense_are_no_entry() {
    for at in [
        ELF_NOTES_AT,
        ELF_NOTES_AT + 4,
        ELF_NOTES_AT + 28,
        ELF_NOTES_AT + 32,
    ] {
        let mut bytes = samples::elf64();
        put(&mut bytes, ENTRY, &[0; 8]);
        put(&mut bytes, at, &[0xff; 4]);
        let error = parse(&bytes).expect_err("no way in");
        assert!(
            matches!(error, LoadError::NoEntry { pvh: None, .. }),
            "{error}"
        );
    }
}
