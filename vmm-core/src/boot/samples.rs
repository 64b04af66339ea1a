//! Small kernels for tests: the headers are real, the code is a few bytes.

use std::{fs::File, io::Write};

/// Where the sample kernels lie in guest memory.
pub(super) const ADDRESS: u64 = 0x100_0000;
/// What they consist of.
pub(super) const CODE: &[u8] = b"\xf4 this is the kernel's code";
/// Bytes of memory that the sample kernels take.
pub(super) const MEMORY: u64 = 0x5000;
/// Where the ELF samples' segment is in the file.
pub(super) const ELF_CODE_AT: usize = 0x200;
/// Where the ELF samples' notes are in the file.
pub(super) const ELF_NOTES_AT: usize = 0x180;

/// A file with these bytes.
pub(super) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary directory");
    file.write_all(bytes).expect("room");
    file
}

/// Puts `value` to `at`.
pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// The note that says where PVH enters, behind one that says something else.
fn notes(entry: u32) -> Vec<u8> {
    let mut notes = Vec::new();
    for (kind, name, value) in [
        (7u32, b"Linux\0".as_slice(), 9u64),
        (18, b"Xen\0", entry.into()),
    ] {
        for field in [name.len() as u32, 8, kind] {
            notes.extend(field.to_le_bytes());
        }
        notes.extend(name);
        notes.resize(notes.len().next_multiple_of(4), 0);
        notes.extend(value.to_le_bytes());
    }
    notes
}

/// An x86-64 ELF kernel at [`ADDRESS`], entered there; with a PVH entry a byte further on.
pub(super) fn elf64() -> Vec<u8> {
    let mut bytes = vec![0; ELF_CODE_AT];
    put(&mut bytes, 0, b"\x7fELF\x02\x01\x01");
    put(&mut bytes, 16, &[2, 0, 62, 0, 1, 0, 0, 0]);
    put(&mut bytes, 24, &ADDRESS.to_le_bytes());
    put(&mut bytes, 32, &64u64.to_le_bytes());
    put(&mut bytes, 52, &[64, 0, 56, 0, 2, 0]);
    let notes = notes(ADDRESS as u32 + 1);
    for (index, kind, offset, address, file, memory) in [
        (
            0,
            1u32,
            ELF_CODE_AT as u64,
            ADDRESS,
            CODE.len() as u64,
            MEMORY,
        ),
        (
            1,
            4,
            ELF_NOTES_AT as u64,
            0,
            notes.len() as u64,
            notes.len() as u64,
        ),
    ] {
        let at = 64 + index * 56;
        put(&mut bytes, at, &kind.to_le_bytes());
        for (field, value) in [
            (8, offset),
            (24, address),
            (32, file),
            (40, memory),
            (48, 4),
        ] {
            put(&mut bytes, at + field, &value.to_le_bytes());
        }
    }
    put(&mut bytes, ELF_NOTES_AT, &notes);
    bytes.extend(CODE);
    bytes
}

/// The same for i386; it has only the PVH entry.
pub(super) fn elf32() -> Vec<u8> {
    let mut bytes = vec![0; ELF_CODE_AT];
    put(&mut bytes, 0, b"\x7fELF\x01\x01\x01");
    put(&mut bytes, 16, &[2, 0, 3, 0, 1, 0, 0, 0]);
    put(&mut bytes, 24, &(ADDRESS as u32).to_le_bytes());
    put(&mut bytes, 28, &52u32.to_le_bytes());
    put(&mut bytes, 40, &[52, 0, 32, 0, 2, 0]);
    let notes = notes(ADDRESS as u32 + 1);
    for (index, kind, offset, address, file, memory) in [
        (
            0,
            1u32,
            ELF_CODE_AT,
            ADDRESS as usize,
            CODE.len(),
            MEMORY as usize,
        ),
        (1, 4, ELF_NOTES_AT, 0, notes.len(), notes.len()),
    ] {
        let at = 52 + index * 32;
        put(&mut bytes, at, &kind.to_le_bytes());
        for (field, value) in [
            (4, offset),
            (12, address),
            (16, file),
            (20, memory),
            (28, 4),
        ] {
            put(&mut bytes, at + field, &(value as u32).to_le_bytes());
        }
    }
    put(&mut bytes, ELF_NOTES_AT, &notes);
    bytes.extend(CODE);
    bytes
}

/// Where the bzImage sample's protected-mode part is in the file: behind two sectors of setup code.
pub(super) const BZIMAGE_CODE_AT: usize = 3 * 512;

/// A bzImage of protocol 2.15 that wants to be at [`ADDRESS`]; [`CODE`] is at its 64-bit entry.
pub(super) fn bzimage() -> Vec<u8> {
    let mut bytes = vec![0; BZIMAGE_CODE_AT + 0x200];
    bytes.extend(CODE);
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    let paragraphs = (bytes.len() - BZIMAGE_CODE_AT) as u32 / 16;
    bytes[0x1f1] = 2;
    put(&mut bytes, 0x1f4, &paragraphs.to_le_bytes());
    put(&mut bytes, 0x1fe, &[0x55, 0xaa, 0xeb, 0x6a]);
    put(&mut bytes, 0x202, b"HdrS\x0f\x02");
    bytes[0x211] = 1;
    put(&mut bytes, 0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(&mut bytes, 0x236, &[1, 0]);
    put(&mut bytes, 0x238, &2047u32.to_le_bytes());
    put(&mut bytes, 0x258, &ADDRESS.to_le_bytes());
    put(&mut bytes, 0x260, &(MEMORY as u32).to_le_bytes());
    bytes
}
