//! What the file benches read: one large file, and a tree of small ones.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

/// How much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Bytes of the large file.
    pub large: u64,
    /// Directories of small files.
    pub directories: u32,
    /// Small files of a directory.
    pub files: u32,
}

/// Bytes of a small file.
const SMALL: usize = 1024;

impl Size {
    /// What is measured.
    pub const FULL: Self = Self {
        large: 64 << 20,
        directories: 20,
        files: 100,
    };

    /// Enough to see that it works.
    pub const QUICK: Self = Self {
        large: 8 << 20,
        directories: 4,
        files: 50,
    };
}

/// The large file, below the tree.
pub const LARGE: &str = "large";

/// The directory of the small ones.
pub const SMALL_FILES: &str = "small";

/// Makes all of it in `dir`.
///
/// # Errors
/// When the file system does not take it.
pub fn make(dir: &Path, size: Size) -> io::Result<()> {
    let mut large = BufWriter::new(File::create(dir.join(LARGE))?);
    // Not all zeroes: file systems and hosts may be quick about those.
    for number in 0..size.large / 8 {
        large.write_all(&number.to_le_bytes())?;
    }
    large.flush()?;
    for directory in 0..size.directories {
        let directory = dir.join(SMALL_FILES).join(format!("directory-{directory}"));
        fs::create_dir_all(&directory)?;
        for file in 0..size.files {
            fs::write(directory.join(format!("file-{file}")), [b'x'; SMALL])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_made_as_was_asked_for() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let size = Size {
            large: 4096,
            directories: 2,
            files: 3,
        };
        make(dir.path(), size).expect("made");
        let large = fs::metadata(dir.path().join(LARGE)).expect("there").len();
        assert_eq!(large, 4096);
        let small: Vec<u64> = walkdir::WalkDir::new(dir.path().join(SMALL_FILES))
            .into_iter()
            .map(|entry| entry.expect("readable").metadata().expect("readable"))
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
            .collect();
        assert_eq!(small, [1024; 6]);
    }
}
