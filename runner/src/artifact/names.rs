//! From names that others chose to names in the output directory. The only place where that happens.

use std::{fmt::Write, path::PathBuf};
use suites::TestId;

/// Longest component made, in bytes; file systems take 255.
const MAX_COMPONENT: usize = 120;

/// Deepest artifact path taken over, in components.
const MAX_DEPTH: usize = 8;

/// One path component out of any bytes: letters, digits and `._+-=,@` stay, every other byte becomes `%XX`, and
/// so does a leading dot. Never empty, never `.` or `..`, never holds a slash; different inputs that are short
/// enough give different components.
#[must_use]
pub fn safe_component(name: &[u8]) -> String {
    let mut safe = String::with_capacity(name.len());
    for (i, &byte) in name.iter().enumerate() {
        let keep =
            byte.is_ascii_alphanumeric() || b"_+-=,@".contains(&byte) || (byte == b'.' && i > 0);
        if keep {
            safe.push(char::from(byte));
        } else {
            write!(safe, "%{byte:02X}").expect("writing to a string");
        }
    }
    if safe.is_empty() {
        safe.push('%');
    }
    if safe.len() > MAX_COMPONENT {
        // Cut names stay apart by a checksum of the whole.
        let sum = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        safe.truncate(MAX_COMPONENT - 17);
        write!(safe, "~{sum:016x}").expect("writing to a string");
    }
    safe
}

/// The directory of a test, relative to the output directory: `tests/kselftest/timers/posix_timers`.
#[must_use]
pub fn test_dir(id: &TestId) -> PathBuf {
    let mut path = PathBuf::from("tests");
    path.push(safe_component(id.suite.as_bytes()));
    if let Some(group) = &id.group {
        path.push(safe_component(group.replace('/', ".").as_bytes()));
    }
    path.push(safe_component(id.case.replace(' ', "_").as_bytes()));
    path
}

/// A relative path on the host out of an artifact's path in the guest, or `None` for one that cannot be taken over.
#[must_use]
pub fn guest_path(path: &[u8]) -> Option<PathBuf> {
    let components: Vec<&[u8]> = path
        .split(|&b| b == b'/')
        .filter(|c| !c.is_empty())
        .collect();
    if components.is_empty() || components.len() > MAX_DEPTH {
        return None;
    }
    Some(components.into_iter().map(safe_component).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(safe_component(b"posix_timers-1.2"), "posix_timers-1.2");
        assert_eq!(
            test_dir(&TestId::grouped("kselftest", "net/forwarding", "a.sh")),
            PathBuf::from("tests/kselftest/net.forwarding/a.sh")
        );
        assert_eq!(
            test_dir(&TestId::new("exec", "true -x /a")),
            PathBuf::from("tests/exec/true_-x_%2Fa")
        );
    }

    #[test]
    fn nothing_leads_out() {
        assert_eq!(safe_component(b".."), "%2E.");
        assert_eq!(safe_component(b"."), "%2E");
        assert_eq!(safe_component(b""), "%");
        assert_eq!(
            guest_path(b"/../../etc/passwd"),
            Some(PathBuf::from("%2E./%2E./etc/passwd"))
        );
        assert_eq!(guest_path(b"//"), None);
        assert_eq!(guest_path(&b"a/".repeat(9)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_path_below(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(path) = guest_path(&bytes) {
                for component in path.components() {
                    prop_assert!(matches!(component, Component::Normal(_)));
                    prop_assert!(component.as_os_str().len() <= MAX_COMPONENT);
                }
            }
        }

        #[test]
        fn different_names_stay_different(a in prop::collection::vec(any::<u8>(), 0..200), b in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assume!(a != b);
            prop_assert_ne!(safe_component(&a), safe_component(&b));
        }
    }
}
