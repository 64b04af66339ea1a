//! Files that a reader sees whole or not at all.

use crate::ReportError;
use std::{
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Makes `contents` the file `name` in `dir`, in one step for every reader.
///
/// # Errors
///
/// When the host cannot: the file that was there before still is, and nothing else is left behind.
pub(crate) fn replace(dir: &Path, name: &str, contents: &[u8]) -> Result<(), ReportError> {
    let path = dir.join(name);
    write_and_rename(dir, name, contents).map_err(ReportError::writing(&path))
}

fn write_and_rename(dir: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    // The temporary file removes itself unless it is renamed. A report is for everyone whom the umask lets.
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(dir)?;
    // By the file itself, whose errors do not name the temporary.
    file.as_file_mut().write_all(contents)?;
    file.persist(dir.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir)
            .expect("the directory")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .collect()
    }

    #[test]
    fn a_file_is_replaced_and_no_temporary_is_left() {
        let dir = tempfile::tempdir().expect("a directory");
        replace(dir.path(), "report", b"one").expect("writable");
        replace(dir.path(), "report", b"two").expect("writable");
        assert_eq!(
            fs::read(dir.path().join("report")).expect("the file"),
            b"two"
        );
        assert_eq!(names(dir.path()), ["report"]);
    }

    #[test]
    fn the_umask_alone_decides_who_may_read() {
        let dir = tempfile::tempdir().expect("a directory");
        replace(dir.path(), "report", b"one").expect("writable");
        fs::write(dir.path().join("plain"), b"").expect("writable");
        let mode = |name| {
            fs::metadata(dir.path().join(name))
                .expect("the file")
                .permissions()
        };
        assert_eq!(mode("report"), mode("plain"));
    }

    #[test]
    fn a_failure_leaves_the_earlier_file_and_no_temporary() {
        let dir = tempfile::tempdir().expect("a directory");
        // A directory in the file's place makes the rename fail, for root as well.
        fs::create_dir(dir.path().join("report")).expect("writable");
        let error = replace(dir.path(), "report", b"two").expect_err("a directory is in the way");
        assert!(
            error.to_string().ends_with("/report cannot be written"),
            "{error}"
        );
        assert_eq!(names(dir.path()), ["report"]);
    }
}
