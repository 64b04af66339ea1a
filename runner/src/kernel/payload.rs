//! The compressed kernel inside a bzImage.

use super::compression::{Compression, ExpandError};

/// Longest kernel that is unpacked, in bytes.
pub const MAX_UNPACKED: usize = 512 << 20;

/// Why a bzImage's payload could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// It begins with none of the magic numbers that the kernel's build makes.
    #[error("the compressed kernel begins with {0:02x?}, which is no compression that kernels use")]
    Unknown(Vec<u8>),
    /// It is bzip2 or lzo.
    #[error(
        "the kernel is compressed with {0}, which cannot be read here; build it with CONFIG_KERNEL_ZSTD=y or CONFIG_KERNEL_GZIP=y"
    )]
    Unsupported(Compression),
    /// It is damaged.
    #[error("the compressed kernel cannot be unpacked")]
    Expand(#[source] ExpandError),
    /// The length that the build wrote behind it is not what came out.
    #[error("the compressed kernel says it has {says} bytes, and has {got}")]
    WrongSize {
        /// Low 32 bits of the length, from the payload's last four bytes.
        says: u32,
        /// Bytes that came out.
        got: usize,
    },
}

/// Unpacks the payload of a bzImage, as cut out by its header: an ELF file, relocations behind it in some kernels.
///
/// # Errors
/// Any [`PayloadError`]. The output is bounded by [`MAX_UNPACKED`].
pub fn decompress(payload: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let format = Compression::detect(payload)
        .ok_or_else(|| PayloadError::Unknown(payload.iter().take(4).copied().collect()))?;
    let kernel = format
        .expand(payload, MAX_UNPACKED)
        .map_err(|error| match error {
            ExpandError::Unsupported(format) => PayloadError::Unsupported(format),
            other => PayloadError::Expand(other),
        })?;
    // Every payload ends in the unpacked length: gzip's own trailer, or what the build appends to the other
    // formats (arch/x86/boot/compressed/mkpiggy.c reads it there).
    let says = payload
        .last_chunk::<4>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    if u32::try_from(kernel.len()) != Ok(says) {
        return Err(PayloadError::WrongSize {
            says,
            got: kernel.len(),
        });
    }
    Ok(kernel)
}
