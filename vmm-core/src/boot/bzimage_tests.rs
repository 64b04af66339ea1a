use super::super::samples::{self, ADDRESS, BZIMAGE_CODE_AT, MEMORY, put};
use super::*;

fn parse(bytes: &[u8]) -> Result<BzImage, LoadError> {
    let file = samples::file(bytes);
    BzImage::parse(&Image::new(&file, "kernel").expect("a file"), 64 << 20)
}

fn changed(at: usize, value: &[u8]) -> Result<BzImage, LoadError> {
    let mut bytes = samples::bzimage();
    put(&mut bytes, at, value);
    parse(&bytes)
}

// Offsets of the table in boot.rst.
const SETUP_SECTS: usize = 0x1f1;
const SYSSIZE: usize = 0x1f4;
const JUMP: usize = 0x201;
const VERSION: usize = 0x206;
const LOADFLAGS: usize = 0x211;
const XLOADFLAGS: usize = 0x236;
const PREF_ADDRESS: usize = 0x258;
const INIT_SIZE: usize = 0x260;
const KERNEL_INFO: usize = 0x268;

#[test]
fn the_64_bit_entry_is_used_where_it_is() {
    let kernel = parse(&samples::bzimage()).expect("a kernel");
    assert!(kernel.is_64_bit);
    assert_eq!(kernel.start, ADDRESS + 0x200);
    assert_eq!((kernel.area.start, kernel.area.len), (ADDRESS, MEMORY));
    assert_eq!(kernel.initramfs_limit, 0x8000_0000);

    let kernel = changed(XLOADFLAGS, &[3]).expect("a kernel");
    assert_eq!(kernel.initramfs_limit, u64::MAX);

    // Without the flag, or in a version that has no flags.
    for kernel in [changed(XLOADFLAGS, &[0]), changed(VERSION, &[11, 2])] {
        let kernel = kernel.expect("a kernel");
        assert!(!kernel.is_64_bit);
        assert_eq!(kernel.start, ADDRESS);
    }
}

#[test]
fn room_for_decompression_is_wanted() {
    let error = changed(INIT_SIZE, &(100u32 << 20).to_le_bytes()).expect_err("too little");
    assert_eq!(
        error.to_string(),
        "64 MiB of memory are too little: the kernel and its initramfs alone need 116 MiB"
    );
    // The image itself is the least.
    let kernel = changed(INIT_SIZE, &[0; 4]).expect("a kernel");
    assert!(kernel.area.len > 0x200);
}

#[test]
fn what_is_behind_the_header_is_not_taken_for_it() {
    let mut bytes = samples::bzimage();
    put(&mut bytes, KERNEL_INFO, &[0x90; 4]);
    let kernel = parse(&bytes).expect("a kernel");
    assert_eq!({ kernel.header.kernel_info_offset }, 0x9090_9090);
    bytes[JUMP] = 0x66;
    let kernel = parse(&bytes).expect("a kernel");
    assert_eq!({ kernel.header.kernel_info_offset }, 0);
    assert_eq!({ kernel.header.init_size }, MEMORY as u32);
}

#[test]
fn wild_headers_are_refused() {
    for kernel in [changed(VERSION, &[9, 2]), changed(LOADFLAGS, &[0])] {
        let error = kernel.expect_err("too old");
        assert!(matches!(error, LoadError::SetupHeader { .. }), "{error}");
    }
    for address in [0, 0xf_f000, layout_end(), u64::MAX] {
        let error = changed(PREF_ADDRESS, &address.to_le_bytes()).expect_err("a wild place");
        assert!(matches!(error, LoadError::Place { .. }), "{error}");
    }
    let error = changed(INIT_SIZE, &[0xff; 4]).expect_err("4 GiB");
    assert!(matches!(error, LoadError::Place { .. }), "{error}");
    for (at, value) in [
        (SYSSIZE, [0xff; 4]),
        (SYSSIZE, [0; 4]),
        (SETUP_SECTS, [0xff, 0, 0, 0x22]),
    ] {
        let error = changed(at, &value).expect_err("cut");
        assert!(matches!(error, LoadError::Cut { .. }), "{error}");
    }
}

fn layout_end() -> u64 {
    crate::layout::HOLE_START
}

#[test]
fn a_cut_image_is_refused_and_a_signed_one_is_not() {
    let mut bytes = samples::bzimage();
    // The size is in paragraphs, rounded up: the last 15 bytes may be missing.
    for len in 0..=bytes.len() - 16 {
        let error = parse(&bytes[..len]).expect_err("cut");
        assert!(matches!(error, LoadError::Cut { .. }), "{error}");
    }
    let end = bytes.len() as u64;
    bytes.extend([0xaa; 1000]);
    let kernel = parse(&bytes).expect("a kernel");
    assert_eq!(kernel.end, end);
    assert_eq!(
        BZIMAGE_CODE_AT as u64 + u64::from(kernel.header.syssize) * 16,
        end
    );
}
