use super::*;
use crate::kernel::fixture::{self, elf_header, given_kernels, put16, put32};
use proptest::prelude::*;
use std::path::PathBuf;

/// Where the first symbol of [`Tables`] is.
const TEXT: u64 = 0xFFFF_FFFF_8100_0000;

/// How the tables of kallsyms are laid out.
#[derive(Debug, Clone, Copy)]
struct Tables {
    /// Offsets come first, as before 6.4.
    offsets_first: bool,
    /// There are sequence numbers between markers and tokens.
    sequences: bool,
    /// Numbers that are no offsets are addresses.
    absolute: bool,
    /// Markers have eight bytes.
    long: bool,
}

/// Every layout that kernels had.
const LAYOUTS: [Tables; 6] = [
    layout(true, false, true, true),
    layout(true, false, true, false),
    layout(true, true, true, false),
    layout(true, true, false, false),
    layout(false, false, true, false),
    layout(false, false, false, false),
];

const fn layout(offsets_first: bool, sequences: bool, absolute: bool, long: bool) -> Tables {
    Tables {
        offsets_first,
        sequences,
        absolute,
        long,
    }
}

/// Symbols for a test: name and address, by address. One name is long, one begins where another does.
fn sample() -> Vec<(String, u64)> {
    let mut symbols: Vec<_> = (0..1500u64)
        .map(|number| (format!("func_{number}"), TEXT + number * 32))
        .collect();
    symbols[0].0 = "_stext".into();
    symbols[700].0 = "x".repeat(300);
    symbols[800].1 = symbols[799].1;
    symbols
}

impl Tables {
    /// A file with these tables, the symbols of [`sample`], and other things.
    fn write(self) -> Vec<u8> {
        let mut tokens: Vec<String> = (0..=255u8)
            .map(|code| match code {
                b' '..=b'~' => char::from(code).to_string(),
                _ => format!("t{code:x}"),
            })
            .collect();
        tokens[0x80] = "func_".into();

        let mut symbols = sample();
        if self.absolute {
            // Per-CPU variables.
            symbols.splice(0..0, [("per_cpu".into(), 0), ("other_cpu".into(), 0x5000)]);
        }
        let (mut names, mut markers) = (Vec::new(), Vec::new());
        for (number, (name, _)) in symbols.iter().enumerate() {
            if number % 256 == 0 {
                markers.push(names.len() as u64);
            }
            let mut codes = vec![if number % 2 == 0 { b't' } else { b'?' }];
            match name.strip_prefix("func_") {
                Some(rest) => codes.extend([&[0x80], rest.as_bytes()].concat()),
                None => codes.extend(name.as_bytes()),
            }
            match u8::try_from(codes.len()).unwrap_or(u8::MAX) {
                short @ ..0x80 => names.push(short),
                _ => names.extend([(codes.len() & 0x7F) as u8 | 0x80, (codes.len() >> 7) as u8]),
            }
            names.extend(codes);
        }
        let offset = |address: u64| match address {
            TEXT.. if self.absolute => (TEXT.wrapping_sub(address).wrapping_sub(1)) as u32,
            TEXT.. => (address - TEXT) as u32,
            _ => address as u32,
        };
        let mut file = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00 no tokens".to_vec();
        let mut table = |bytes: &[u8]| {
            file.resize(file.len().next_multiple_of(8), 0);
            file.extend(bytes);
        };
        let offsets: Vec<u8> = symbols
            .iter()
            .flat_map(|s| offset(s.1).to_le_bytes())
            .collect();
        let markers: Vec<u8> = markers
            .iter()
            .flat_map(|m| m.to_le_bytes()[..if self.long { 8 } else { 4 }].to_vec())
            .collect();
        let index = tokens.iter().scan(0u16, |at, token| {
            let begin = *at;
            *at += token.len() as u16 + 1;
            Some(begin)
        });
        let index: Vec<u8> = index.flat_map(u16::to_le_bytes).collect();
        if self.offsets_first {
            table(&offsets);
            table(&TEXT.to_le_bytes());
        }
        table(&(symbols.len() as u32).to_le_bytes());
        table(&names);
        table(&markers);
        if self.sequences {
            table(&vec![7; symbols.len() * 3]);
        }
        table((tokens.join("\0") + "\0").as_bytes());
        table(&index);
        if !self.offsets_first {
            table(&offsets);
            table(&TEXT.to_le_bytes());
        }
        table(&[0xCC; 100]);
        file
    }
}

/// Checks what [`sample`] holds.
fn check(symbols: &Symbols) {
    assert_eq!(symbols.address_of("_stext"), Some(TEXT));
    assert_eq!(symbols.address_of("func_3"), Some(TEXT + 96));
    assert_eq!(symbols.address_of("func_"), None);
    assert_eq!(symbols.address_of("per_cpu"), None);
    assert_eq!(symbols.resolve(TEXT - 1), None);
    assert_eq!(symbols.resolve(TEXT), Some(("_stext", 0, 32)));
    assert_eq!(symbols.resolve(TEXT + 127), Some(("func_3", 31, 32)));
    let long = "x".repeat(300);
    assert_eq!(symbols.resolve(TEXT + 700 * 32 + 1), Some((&*long, 1, 32)));
    // Two at one address: the first, up to the next one elsewhere.
    assert_eq!(
        symbols.resolve(TEXT + 799 * 32 + 40),
        Some(("func_799", 40, 64))
    );
    // Nobody knows where the last one ends.
    assert_eq!(symbols.resolve(TEXT + 1499 * 32), None);
    assert_eq!(symbols.resolve(u64::MAX), None);
}

#[test]
fn tables_of_all_versions_are_found() {
    for layout in LAYOUTS {
        let symbols = kallsyms::symbols(&layout.write());
        check(&symbols.unwrap_or_else(|| panic!("{layout:?}")));
    }
}

#[test]
fn offsets_that_do_not_ascend_are_not_believed() {
    for layout in LAYOUTS {
        let mut file = layout.write();
        let base = scan::find(&file, &TEXT.to_le_bytes()).unwrap();
        // Among the offsets, which end just before.
        file[base - 2000..base - 1996].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0x3F]);
        assert_eq!(kallsyms::symbols(&file), None, "{layout:?}");
    }
}

/// An ELF file with a symbol table: name, address, type and binding.
fn elf_with(symbols: &[(&str, u64, u8)]) -> Vec<u8> {
    let mut names = vec![0];
    let mut table = vec![0; 24];
    for (name, address, info) in symbols {
        table.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
        table.extend([*info, 0, 1, 0]);
        table.extend(address.to_le_bytes());
        table.extend(32u64.to_le_bytes());
        names.extend(name.as_bytes());
        names.push(0);
    }
    let mut elf = elf_header(2, 62, 0);
    put32(&mut elf, 32, 0);
    put32(&mut elf, 40, 64);
    put16(&mut elf, 60, 3);
    let begin = 64 + 3 * 64;
    let sections = [
        (0u32, 0u32, 0, 0),
        (2, 2, begin, table.len()),
        (3, 0, begin + table.len(), names.len()),
    ];
    for (kind, link, at, len) in sections {
        let mut header = vec![0; 64];
        put32(&mut header, 4, kind);
        put32(&mut header, 24, u32::try_from(at).unwrap());
        put32(&mut header, 32, u32::try_from(len).unwrap());
        put32(&mut header, 40, link);
        put32(&mut header, 56, 24);
        elf.extend(header);
    }
    [elf, table, names].concat()
}

#[test]
fn a_symbol_table_is_read_in_any_order() {
    let sample = sample();
    let mut symbols: Vec<_> = sample
        .iter()
        .map(|(name, address)| (name.as_str(), *address, 0x12))
        .collect();
    symbols.reverse();
    symbols.push(("per_cpu", 0x5000, 0x11));
    check(&elf::symbols(&*elf_with(&symbols)).unwrap());
}

#[test]
fn of_several_names_for_an_address_the_telling_one_is_taken() {
    let symbols = [
        ("__linker_says", TEXT, 0x10),
        ("weak", TEXT, 0x22),
        ("__alias", TEXT, 0x12),
        ("function", TEXT, 0x12),
        ("", TEXT, 0x03),
        ("file.c", TEXT, 0x04),
        ("end", TEXT + 8, 0x10),
    ];
    let symbols = elf::symbols(&*elf_with(&symbols)).unwrap();
    assert_eq!(symbols.resolve(TEXT + 4), Some(("function", 4, 8)));
    assert_eq!(symbols.address_of("weak"), Some(TEXT));
    assert_eq!(symbols.address_of("file.c"), None);
}

#[test]
fn an_image_without_symbols_has_none() {
    assert_eq!(elf::symbols(&b""[..]), None);
    assert_eq!(elf::symbols(&*elf_with(&[])), None);
    assert_eq!(elf::symbols(&*fixture::vmlinux(b"code", true)), None);
    assert_eq!(Symbols::read(&fixture::vmlinux(b"code", true)), None);
}

/// A bzImage is unpacked, a vmlinux without a symbol table is searched, and one with it is not.
#[test]
fn images_of_all_forms_have_symbols() {
    let tables = LAYOUTS[4].write();
    let content = [&b"Linux version 6.1 (me"[..], &[0; 11], &*tables].concat();
    let vmlinux = fixture::vmlinux(&content, false);
    let bzimage = fixture::bzimage("6.1", &fixture::gzip(&vmlinux));
    let dir = tempfile::tempdir().unwrap();
    for (name, image) in [("vmlinux", &vmlinux), ("bzImage", &bzimage)] {
        let path = dir.path().join(name);
        fixture::write(&path, image);
        check(&Symbols::of(&KernelImage::open(&path).unwrap()).unwrap());
    }
}

#[test]
fn real_kernels_have_symbols() {
    let mut kernels: Vec<_> = std::env::var_os("RUNNER_TEST_KERNEL")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    if kernels.is_empty() {
        println!("SKIP: RUNNER_TEST_KERNEL names no kernel");
    }
    kernels.extend(given_kernels("bzImage"));
    for path in kernels {
        let symbols = Symbols::of(&KernelImage::open(&path).unwrap()).expect("symbols");
        assert!(symbols.entries.len() > 10_000, "{}", path.display());
        let text = symbols.address_of("_stext").expect("_stext");
        assert!(text.is_multiple_of(4096));
        for name in ["panic", "start_kernel", "schedule"] {
            let address = symbols.address_of(name).expect(name);
            assert!(address > text);
            let (found, offset, size) = symbols.resolve(address + 5).expect(name);
            assert_eq!((found, offset), (name, 5));
            assert!((16..64 << 10).contains(&size), "{name}: {size}");
        }
    }
}

proptest! {
    #[test]
    fn damaged_tables_are_refused_or_read(
        layout in 0..LAYOUTS.len(),
        pokes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = LAYOUTS[layout].write();
        for (at, value) in pokes {
            let at = at.index(file.len());
            file[at] = value;
        }
        for kernel in [&file[..], &file[..cut.index(file.len())]] {
            if let Some(symbols) = kallsyms::symbols(kernel) {
                let _ = symbols.resolve(TEXT + 1000);
            }
        }
    }

    #[test]
    fn damaged_elf_files_are_refused_or_read(
        pokes in prop::collection::vec((0..400usize, any::<u8>()), 1..6),
    ) {
        let mut elf = elf_with(&[("one", TEXT, 0x12), ("two", TEXT + 8, 0x12), ("end", TEXT + 16, 0x12)]);
        for (at, value) in pokes {
            let at = at % elf.len();
            elf[at] = value;
        }
        if let Some(symbols) = elf::symbols(&*elf) {
            let _ = symbols.resolve(TEXT + 4);
        }
    }
}
