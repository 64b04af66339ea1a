//! What a module says of itself: the `.modinfo` section of its ELF file.

use object::{Object, ObjectSection, read::elf::ElfFile64};

/// The statements of a module that matter for loading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModInfo {
    /// Modules whose symbols it uses (`depends=`, written by `scripts/mod/modpost.c`).
    pub depends: Vec<String>,
    /// Modules that should be there before it, if there are such (`softdep=pre:`).
    pub soft_pre: Vec<String>,
    /// `vermagic=`: the release it was built for, then flags.
    pub vermagic: String,
}

/// Reads a module's statements; `None` when `elf` is not a 64-bit ELF file with the section.
#[must_use]
pub fn read(elf: &[u8]) -> Option<ModInfo> {
    let file = ElfFile64::<object::Endianness>::parse(elf).ok()?;
    let section = file.section_by_name(".modinfo")?;
    Some(parse(section.data().ok()?))
}

/// Reads `name=value` statements, each ended by a zero byte.
fn parse(section: &[u8]) -> ModInfo {
    let mut info = ModInfo::default();
    for statement in section.split(|b| *b == 0) {
        let statement = String::from_utf8_lossy(statement);
        match statement.split_once('=') {
            Some(("depends", list)) => info.depends.extend(
                list.split(',')
                    .filter(|name| !name.is_empty())
                    .map(String::from),
            ),
            Some(("softdep", list)) => {
                let mut pre = false;
                for word in list.split_ascii_whitespace() {
                    match word {
                        "pre:" => pre = true,
                        "post:" => pre = false,
                        name if pre => info.soft_pre.push(name.into()),
                        _ => {}
                    }
                }
            }
            Some(("vermagic", value)) => info.vermagic = value.into(),
            _ => {}
        }
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_read() {
        let info = parse(
            b"license=GPL\0depends=virtio,virtio_ring\0softdep=pre: crc32c aes post: late pre: more\0\
              \0vermagic=6.1.0 SMP preempt mod_unload \0rubbish\0depends=\0",
        );
        assert_eq!(info.depends, ["virtio", "virtio_ring"]);
        assert_eq!(info.soft_pre, ["crc32c", "aes", "more"]);
        assert_eq!(info.vermagic, "6.1.0 SMP preempt mod_unload ");
    }

    #[test]
    fn what_is_no_module_has_none() {
        assert_eq!(read(b""), None);
        assert_eq!(read(b"\x7fELF\x02\x01\x01 and so on"), None);
    }
}
