//! Which kernel a vmlinux is, as its splats name it.

use object::{
    Endianness,
    elf::FileHeader64,
    read::{
        ReadRef,
        elf::{FileHeader, SectionHeader},
    },
};

/// Longest banner looked at, in bytes.
const MAX_BANNER: u64 = 1024;

/// Where the banner begins in `linux_banner` (`init/version-timestamp.c`).
const START: &str = "Linux version ";

/// Release and number of the build, `6.12.3 #7`, by the banner at `address`. `None` where the file does not have it, as those
/// that hold debug information and nothing more.
pub fn named<'data, R: ReadRef<'data>>(data: R, address: u64) -> Option<String> {
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.section_headers(endian, data).ok()?;
    let inside = |section: &&object::elf::SectionHeader64<Endianness>| {
        let start = section.sh_addr(endian);
        start != 0 && address >= start && address - start < section.sh_size(endian)
    };
    let section = sections.iter().find(inside)?;
    let (offset, size) = section.file_range(endian)?;
    let within = address - section.sh_addr(endian);
    let length = size.checked_sub(within)?.min(MAX_BANNER);
    let banner = data
        .read_bytes_at(offset.checked_add(within)?, length)
        .ok()?;
    let end = banner.iter().position(|b| *b == 0).unwrap_or(banner.len());
    of_banner(std::str::from_utf8(&banner[..end]).ok()?)
}

/// `Linux version 6.12.3 (me@host) (gcc ...) #7 SMP ...`; what is in brackets may hold anything.
fn of_banner(banner: &str) -> Option<String> {
    let mut words = banner.strip_prefix(START)?.split_whitespace();
    let release = words.next()?;
    let is_number = |word: &&str| {
        let digits = word.strip_prefix('#').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    Some(format!("{release} {}", words.rfind(is_number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_has_release_and_number() {
        assert_eq!(
            of_banner(
                "Linux version 6.12.3-x (me@host) (gcc #1 (Debian), GNU ld) #7 SMP Sun Nov 22\n"
            )
            .as_deref(),
            Some("6.12.3-x #7")
        );
        for not in [
            "",
            "Linux version ",
            "Linux version 6.12.3 (me) SMP",
            "Darwin #7",
        ] {
            assert_eq!(of_banner(not), None, "{not}");
        }
    }
}
