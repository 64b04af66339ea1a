//! The device nodes by which the kernel loads modules on request.
//!
//! `/dev/loop-control`, `/dev/net/tun`, `/dev/fuse` and a few more have fixed numbers, and opening them loads their module. Where
//! that is no part of the kernel nobody but user space can make them: on other systems kmod does, from
//! `/lib/modules/RELEASE/modules.devname` (`depmod(8)`, `kmod(8)` under `static-nodes`).

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::mounts::make_directory;

/// Most that is read of the list, in bytes. Debian's has under 1000.
const MAX_LIST: u64 = 64 << 10;

/// A node of the list.
#[derive(Debug, PartialEq, Eq)]
struct Node<'a> {
    /// Below `/dev`.
    name: &'a str,
    kind: FileType,
    major: u32,
    minor: u32,
}

/// Makes those that the modules of the root's `/lib/modules` for this release have. A root without such modules has no list, and
/// what cannot be made is missed by the test that needs it.
pub fn make(release: &str) {
    let path = Path::new("/lib/modules")
        .join(release)
        .join("modules.devname");
    let mut list = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_LIST).read_to_string(&mut list));
    if read.is_err() {
        return;
    }
    for node in list.lines().filter_map(node) {
        let path = Path::new("/dev").join(node.name);
        let _ = path.parent().map(make_directory);
        // One that is there belongs to a driver that is built in.
        let mode = Mode::RUSR | Mode::WUSR;
        let _ = mknodat(CWD, &path, node.kind, mode, makedev(node.major, node.minor));
    }
}

/// A line of the list: `loop loop-control c10:237`.
fn node(line: &str) -> Option<Node<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (module, name, device) = (words.next()?, words.next()?, words.next()?);
    let is_plain = |part| matches!(part, Component::Normal(_));
    if module.starts_with('#') || !Path::new(name).components().all(is_plain) {
        return None;
    }
    let (kind, numbers) = match device.split_at_checked(1)? {
        ("c", numbers) => (FileType::CharacterDevice, numbers),
        ("b", numbers) => (FileType::BlockDevice, numbers),
        _ => return None,
    };
    let (major, minor) = numbers.split_once(':')?;
    Some(Node {
        name,
        kind,
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_nodes_below_dev() {
        let of = |name, kind, major, minor| {
            Some(Node {
                name,
                kind,
                major,
                minor,
            })
        };
        let character = FileType::CharacterDevice;
        assert_eq!(
            node("loop loop-control c10:237"),
            of("loop-control", character, 10, 237)
        );
        assert_eq!(
            node("tun net/tun c10:200"),
            of("net/tun", character, 10, 200)
        );
        assert_eq!(node("x y b7:0"), of("y", FileType::BlockDevice, 7, 0));
    }

    #[test]
    fn what_is_no_node_or_not_below_dev_is_passed_over() {
        for line in [
            "# Device nodes to trigger on-demand module loading.",
            "",
            "loop",
            "loop loop-control",
            "loop loop-control p1:2",
            "loop loop-control c10",
            "loop loop-control c10:x",
            "loop loop-control é",
            "loop ../etc/x c1:3",
            "loop /etc/x c1:3",
            "loop net/../../x c1:3",
        ] {
            assert_eq!(node(line), None, "{line}");
        }
    }
}
