//! The bzImage: real-mode setup code with a header, then the decompressor with the packed kernel inside.
//!
//! Source: `Documentation/arch/x86/boot.rst` and `arch/x86/boot/header.S` of the kernel.

use super::image::{Flaw, leading_release};

/// Facts of a bzImage's setup header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BzImage {
    /// Boot protocol, major version in the high byte.
    pub protocol: u16,
    /// Longest kernel command line, in bytes, without the terminating zero.
    pub cmdline_size: u32,
    /// Memory the kernel needs from its load address on before it can look at the memory map, in bytes.
    pub init_size: u32,
    /// Where in the file the packed kernel is, in bytes.
    pub payload_offset: u64,
    /// Length of the packed kernel, in bytes.
    pub payload_len: u32,
}

const BOOT_FLAG: usize = 0x1FE;
const HEADER_MAGIC: usize = 0x202;
/// End of the last field that is read here, `init_size`.
const HEADER_END: usize = 0x264;

/// The first protocol with `xloadflags`, of Linux 3.8.
const OLDEST_PROTOCOL: u16 = 0x020C;
/// `loadflags`: the protected-mode code is loaded at 1 MiB.
const LOADED_HIGH: u8 = 1 << 0;
/// `xloadflags`: there is a 64-bit entry point.
const XLF_KERNEL_64: u16 = 1 << 0;

/// Longest packed kernel that is believed, in bytes.
const MAX_PAYLOAD: u32 = 256 << 20;

/// Whether a file that begins with `head` is a bzImage, of any age, or the beginning of one.
pub fn is_one(head: &[u8]) -> bool {
    head.get(BOOT_FLAG..HEADER_MAGIC + 4)
        .is_some_and(|h| h.starts_with(&[0x55, 0xAA]) && h.ends_with(b"HdrS"))
}

/// Reads the header of a bzImage of `size` bytes, and the release.
///
/// # Errors
/// A [`Flaw`] when the file is shorter than its header says, or the kernel cannot be booted as x86-64.
pub fn read(head: &[u8], size: u64) -> Result<(BzImage, String), Flaw> {
    if head.len() < HEADER_END {
        return Err(Flaw::Truncated {
            missing: (HEADER_END - head.len()) as u64,
        });
    }
    let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;

    let setup_sects = match head[0x1F1] {
        0 => 4,
        n => u64::from(n),
    };
    let setup_len = (setup_sects + 1) * 0x200;
    let protocol = u16_at(0x206);
    if protocol < OLDEST_PROTOCOL {
        return Err(Flaw::NotThisKind(format!(
            "is a kernel with boot protocol {}.{:02}, older than Linux 3.8; take a newer kernel",
            protocol >> 8,
            protocol & 0xFF
        )));
    }
    let end = setup_len + u64::from(u32_at(0x1F4)) * 16;
    if end > size {
        return Err(Flaw::Truncated {
            missing: end - size,
        });
    }
    if head[0x211] & LOADED_HIGH == 0 {
        return Err(Flaw::NotThisKind(
            "is a zImage, which 64-bit kernels never are; build a bzImage".into(),
        ));
    }
    if u16_at(0x236) & XLF_KERNEL_64 == 0 {
        return Err(Flaw::NotThisKind(
            "is a 32-bit kernel; build one with CONFIG_64BIT=y".into(),
        ));
    }
    let payload_offset = setup_len + u64::from(u32_at(0x248));
    let payload_len = u32_at(0x24C);
    if payload_len == 0
        || payload_len > MAX_PAYLOAD
        || payload_offset + u64::from(payload_len) > end
    {
        return Err(Flaw::Damaged(format!(
            "its header places {payload_len} bytes of packed kernel at offset {payload_offset}, and the image ends at {end}"
        )));
    }
    // The pointer counts from the header's sector on, and only a pointer into the setup code is one.
    let version = u64::from(u16_at(0x20E));
    let release = if version == 0 || version >= setup_sects * 0x200 {
        None
    } else {
        usize::try_from(version + 0x200)
            .ok()
            .and_then(|at| head.get(at..))
            .and_then(leading_release)
    }
    .ok_or_else(|| Flaw::Damaged("its header names no kernel version".into()))?;

    let bzimage = BzImage {
        protocol,
        cmdline_size: u32_at(0x238),
        init_size: u32_at(0x260),
        payload_offset,
        payload_len,
    };
    Ok((bzimage, release))
}
