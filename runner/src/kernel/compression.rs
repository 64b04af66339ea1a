//! The compressed formats that kernels and modules come in, told by their first bytes.

use std::io::{self, Read};

/// Window that zstd data may ask for, in bytes: what `zstd --ultra -22` asks for, and the kernel's own limit
/// (`ZSTD_WINDOWSIZE_MAX` in `lib/decompress_unzstd.c`).
const ZSTD_WINDOW: u64 = 1 << 27;

/// Memory that xz and lzma data may ask for, in bytes: twice the largest dictionary of `scripts/xz_wrap.sh`.
const LZMA_MEMORY: u64 = 256 << 20;

/// A compressed format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The .xz container.
    Xz,
    /// The older `.lzma` ("alone") container.
    Lzma,
    /// The legacy frame of `lz4 -l`, the one that the kernel reads.
    Lz4,
    /// RFC 8878.
    Zstd,
    /// bzip2; recognized only.
    Bzip2,
    /// lzop's container; recognized only.
    Lzo,
}

/// Why data could not be expanded.
#[derive(Debug, thiserror::Error)]
pub enum ExpandError {
    /// There is no decoder for the format here.
    #[error("{0} compression is not supported here")]
    Unsupported(Compression),
    /// The data is damaged or cut off.
    #[error("the {format} data is damaged or cut off")]
    Corrupt {
        /// What it claims to be.
        format: Compression,
        /// What the decoder says.
        source: io::Error,
    },
    /// The output would be too long.
    #[error("the {format} data expands to more than {limit} bytes")]
    TooLong {
        /// Its format.
        format: Compression,
        /// Bound on the output, in bytes.
        limit: usize,
    },
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Lzo => "lzo",
        })
    }
}

impl Compression {
    /// The format of `data`, from its magic number (the table in the kernel's `lib/decompress.c`).
    #[must_use]
    pub fn detect(data: &[u8]) -> Option<Self> {
        const MAGICS: [(&[u8], Compression); 7] = [
            (b"\x1f\x8b", Compression::Gzip),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"\x5d\0\0", Compression::Lzma),
            (b"\x02\x21\x4c\x18", Compression::Lz4),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
            (b"BZh", Compression::Bzip2),
            (b"\x89LZO", Compression::Lzo),
        ];
        MAGICS
            .iter()
            .find(|(magic, _)| data.starts_with(magic))
            .map(|&(_, format)| format)
    }

    /// Expands the one stream that `data` begins with; bytes after its end are left alone.
    ///
    /// # Errors
    /// Any [`ExpandError`]; at most a little over `limit` bytes, and the format's own bounded window, are allocated before one.
    pub fn expand(self, data: &[u8], limit: usize) -> Result<Vec<u8>, ExpandError> {
        let corrupt = |source| ExpandError::Corrupt {
            format: self,
            source,
        };
        let out = match self {
            Self::Gzip => read_at_most(flate2::bufread::GzDecoder::new(data), limit),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(LZMA_MEMORY, 0)
                    .map_err(|e| corrupt(e.into()))?;
                read_at_most(liblzma::bufread::XzDecoder::new_stream(data, stream), limit)
            }
            Self::Lzma => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(LZMA_MEMORY)
                    .map_err(|e| corrupt(e.into()))?;
                read_at_most(liblzma::bufread::XzDecoder::new_stream(data, stream), limit)
            }
            Self::Lz4 => lz4_legacy(data, limit),
            Self::Zstd => {
                let decoder =
                    ruzstd::decoding::StreamingDecoder::new_with_max_window_size(data, ZSTD_WINDOW)
                        .map_err(|e| corrupt(io::Error::other(e)))?;
                read_at_most(decoder, limit)
            }
            Self::Bzip2 | Self::Lzo => return Err(ExpandError::Unsupported(self)),
        }
        .map_err(corrupt)?;
        if out.len() > limit {
            return Err(ExpandError::TooLong {
                format: self,
                limit,
            });
        }
        Ok(out)
    }
}

/// All that `reader` gives, or the first `limit + 1` bytes.
fn read_at_most(reader: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut out)?;
    Ok(out)
}

/// Expands lz4's legacy frame: the magic number, then blocks, each a `u32` little-endian length and that
/// many bytes, which expand to 8 MiB or, for the last, less. Nothing marks the end; in a kernel
/// four more bytes follow, the expanded size (`size_append` in `scripts/Makefile.lib`).
fn lz4_legacy(data: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    const MAGIC: u32 = 0x184C_2102;
    const BLOCK: usize = 8 << 20;
    const MAX_PACKED: usize = BLOCK + BLOCK / 255 + 16;
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);

    let mut out = Vec::new();
    let mut rest = data;
    while let Some((word, after)) = rest.split_first_chunk::<4>() {
        let packed = u32::from_le_bytes(*word);
        if packed == MAGIC {
            rest = after;
            continue;
        }
        if after.is_empty() {
            break;
        }
        let packed = packed as usize;
        if packed > MAX_PACKED {
            return Err(invalid("a block is longer than a block can be"));
        }
        let Some((block, next)) = after.split_at_checked(packed) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let start = out.len();
        out.resize(start + BLOCK, 0);
        let written = lz4_flex::block::decompress_into(block, &mut out[start..])
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        out.truncate(start + written);
        if out.len() > limit {
            break;
        }
        rest = next;
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
