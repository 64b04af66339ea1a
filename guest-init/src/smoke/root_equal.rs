//! The guest reads what the host has.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::params::Params;
use super::report::{Checked, OrFail, Verdict, ensure};

/// `file=SHA256:SIZE:PATH`, repeatable: the digest in hexadecimal, the size in bytes, an absolute path.
pub fn check(params: &Params) -> Checked {
    let mut files = 0;
    for param in params.all("file") {
        let wanted = Wanted::parse(param).ok_or_else(|| {
            let param = String::from_utf8_lossy(param);
            Verdict::Misuse(format!("file={param} is not of the form SHA256:SIZE:PATH"))
        })?;
        let path = wanted.path.display();
        let (size, digest) = read(wanted.path)?;
        ensure(size == wanted.size, || {
            format!(
                "{path} has {size} bytes here and {} on the host",
                wanted.size
            )
        })?;
        ensure(digest.eq_ignore_ascii_case(wanted.digest), || {
            format!(
                "{path} has the SHA-256 {digest} here and {} on the host",
                wanted.digest
            )
        })?;
        println!("{path}: {size} bytes, equal");
        files += 1;
    }
    if files == 0 {
        return Ok(Verdict::Skip("the root has no file to compare".into()));
    }
    Ok(Verdict::Pass)
}

#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    digest: &'a str,
    size: u64,
    path: &'a Path,
}

impl<'a> Wanted<'a> {
    fn parse(param: &'a [u8]) -> Option<Self> {
        let mut parts = param.splitn(3, |byte| *byte == b':');
        let digest = std::str::from_utf8(parts.next()?).ok()?;
        let size = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let path = Path::new(OsStr::from_bytes(parts.next()?));
        let well_formed = digest.len() == 64
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
            && path.is_absolute();
        well_formed.then_some(Self { digest, size, path })
    }
}

fn read(path: &Path) -> Result<(u64, String), Verdict> {
    let mut file = File::open(path).or_fail(format_args!("open {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut bytes = vec![0; 256 * 1024];
    loop {
        let length = file
            .read(&mut bytes)
            .or_fail(format_args!("read {}", path.display()))?;
        if length == 0 {
            break;
        }
        hash.update(&bytes[..length]);
        size += length as u64;
    }
    let digest = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((size, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_path_may_hold_colons() {
        let param = format!("{DIGEST}:3:/a:b");
        let wanted = Wanted::parse(param.as_bytes()).expect("well formed");
        assert_eq!((wanted.digest, wanted.size), (DIGEST, 3));
        assert_eq!(wanted.path, Path::new("/a:b"));
        for wrong in [
            "",
            "abc:3:/a",
            &format!("{DIGEST}:x:/a"),
            &format!("{DIGEST}:3:a"),
        ] {
            assert_eq!(Wanted::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn size_and_digest_are_those_of_the_file() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("abc");
        std::fs::write(&path, "abc").expect("file");
        let (size, digest) = read(&path).expect("readable");
        assert_eq!((size, digest.as_str()), (3, DIGEST));
    }
}
