//! Directories of the cache that keep what was used last.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::SystemTime,
};

/// Writes the entry `path` of the directory `dir`, whole or not at all, and removes all but the `kept` newest ones.
///
/// # Errors
/// The system's, when nothing could be written.
pub fn keep(dir: &Path, path: &Path, content: &[u8], kept: usize) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(content)?;
    file.persist(path)?;
    let mut entries: Vec<(SystemTime, _)> = fs::read_dir(dir)?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    entries.sort();
    for (_, old) in entries.iter().rev().skip(kept) {
        // Another run may have been quicker.
        let _ = fs::remove_file(old);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_kept() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for i in 0..7 {
            keep(dir.path(), &dir.path().join(format!("k{i}")), b"kernel", 4).expect("kept");
        }
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 4);
        assert!(dir.path().join("k6").exists());
    }
}
