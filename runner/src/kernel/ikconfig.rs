//! IKCONFIG: the configuration that a kernel carries inside (`CONFIG_IKCONFIG=y`), and the cache of what was found.
//!
//! Source: `kernel/configs.c`, which puts a gzip file between `IKCFG_ST` and `IKCFG_ED`.

use super::{
    compression::Compression,
    image::{FileId, Format, ImageError, KernelImage},
    scan,
};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The marker, and the magic number of the gzip file after it, which no other mention of the marker has.
const START: &[u8] = b"IKCFG_ST\x1f\x8b\x08";
const MARKER: usize = b"IKCFG_ST".len();

/// Longest packed configuration, in bytes; they are about 60 KB.
const MAX_PACKED: usize = 2 << 20;

/// Longest configuration, in bytes; they are about 300 KB.
pub const MAX_TEXT: usize = 16 << 20;

/// What the cache says of a kernel without IKCONFIG.
const NONE: &[u8] = b"none\n";

/// The configuration inside `image`, if it has one: from the cache, or out of the image and into the cache.
///
/// # Errors
/// When the image cannot be read or unpacked. A cache that cannot be read or written is no error.
pub fn text(image: &KernelImage, cache_dir: Option<&Path>) -> Result<Option<String>, ImageError> {
    let entry = cache_dir.map(|dir| entry_path(dir, image.id));
    if let Some(known) = entry.as_deref().and_then(read_entry) {
        return Ok(known);
    }
    let packed = packed(image)?;
    let text = packed.as_deref().and_then(expand);
    if let (Some(dir), Some(entry)) = (cache_dir, &entry) {
        let content = match (&packed, &text) {
            (Some(packed), Some(_)) => packed.as_slice(),
            _ => NONE,
        };
        // A cache that cannot be written costs time, not correctness.
        let _ = write_entry(dir, entry, content);
    }
    Ok(text)
}

fn entry_path(dir: &Path, id: FileId) -> PathBuf {
    dir.join(format!("ikconfig-{id}"))
}

/// What an entry says: the gzip file as it was found, whose own checksum tells a broken entry, or [`NONE`].
/// The outer `None` is for an entry that is not there or is broken.
fn read_entry(path: &Path) -> Option<Option<String>> {
    let mut content = Vec::new();
    fs::File::open(path)
        .ok()?
        .take(MAX_PACKED as u64 + 1)
        .read_to_end(&mut content)
        .ok()?;
    if content == NONE {
        return Some(None);
    }
    expand(&content).map(Some)
}

fn write_entry(dir: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

fn expand(packed: &[u8]) -> Option<String> {
    let text = Compression::Gzip.expand(packed, MAX_TEXT).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The gzip file inside the image, cut at its end marker.
fn packed(image: &KernelImage) -> Result<Option<Vec<u8>>, ImageError> {
    let found = match &image.format {
        Format::BzImage(_) => image.unpack()?.and_then(|kernel| {
            let at = scan::find(&kernel, START)? + MARKER;
            let end = kernel.len().min(at + MAX_PACKED);
            Some(kernel[at..end].to_vec())
        }),
        Format::Vmlinux(vmlinux) => {
            let in_segment = || -> io::Result<Option<Vec<u8>>> {
                for segment in &vmlinux.segments {
                    if let Some(at) = scan::find_in_file(&image.file, segment.clone(), START)? {
                        let mut packed = vec![0; MAX_PACKED];
                        let got = scan::read_at_most(&image.file, at + MARKER as u64, &mut packed)?;
                        packed.truncate(got);
                        return Ok(Some(packed));
                    }
                }
                Ok(None)
            };
            in_segment().map_err(|source| ImageError::Io {
                path: image.path.clone(),
                source,
            })?
        }
    };
    Ok(found.map(|mut packed| {
        if let Some(end) = scan::find(&packed, b"IKCFG_ED") {
            packed.truncate(end);
        }
        packed
    }))
}
