use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Read and write for the group, in a file's mode.
const GROUP_READ_WRITE: u32 = 0o060;

/// The name of the group whose members may read and write the file at `path`.
///
/// `None` where the mode gives the group nothing, where the group is root's, which nobody should join for this, and
/// where it has no name here, as in a container.
pub(super) fn granting(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.mode() & GROUP_READ_WRITE != GROUP_READ_WRITE || metadata.gid() == 0 {
        return None;
    }
    name_of(metadata.gid(), &fs::read_to_string("/etc/group").ok()?)
}

/// Looks a group up in the text of `/etc/group`; see group(5).
fn name_of(gid: u32, groups: &str) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_number_and_rubbish_is_passed_over() {
        let groups = "root:x:0:\n\nrubbish\nkvm2:x:1042:\nkvm:x:104:ann,bob\n";
        assert_eq!(name_of(104, groups).as_deref(), Some("kvm"));
        assert_eq!(name_of(10, groups), None);
    }
}
