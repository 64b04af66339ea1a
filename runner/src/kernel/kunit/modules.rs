//! The unit tests that are modules, by name.
//!
//! A module's suites are pointers in a section (`kunit_test_suites` in `include/kunit/test.h`), which its relocations make out,
//! each to a `struct kunit_suite`.

use super::{MAX_NAME, MAX_SUITES, name_of};
use crate::kernel::modules::{ModuleIndex, load};
use object::{
    Endianness, Object, ObjectSection, ObjectSymbol, RelocationTarget, read::elf::ElfFile64,
};
use suites::KunitModule;

/// The sections with pointers to suites; the second since Linux 6.8.
const SECTIONS: [&str; 2] = [".kunit_test_suites", ".kunit_init_test_suites"];

/// What is in the names of modules with suites (`Documentation/dev-tools/kunit/style.rst`): thousands need not be read for a few.
const IN_NAMES: [&str; 2] = ["test", "kunit"];

/// The modules with suites, by name. What keeps one from being loaded is said of it.
#[must_use]
pub fn modules(index: &ModuleIndex) -> Vec<KunitModule> {
    let mut found = Vec::new();
    for name in index.names() {
        if !IN_NAMES.iter().any(|part| name.contains(part)) {
            continue;
        }
        let Some(suites) = index
            .find_file(name)
            .and_then(|file| named(&load(&file).ok()?))
        else {
            continue;
        };
        let files = index.resolve(&[name]);
        found.push(KunitModule {
            name: name.to_owned(),
            suites,
            files: files
                .map(|files| files.into_iter().map(|file| file.path).collect())
                .map_err(|error| error.to_string()),
        });
    }
    found
}

/// The names of the suites in a module's bytes; `None` where it has none, or is damaged.
fn named(module: &[u8]) -> Option<Vec<String>> {
    let file = ElfFile64::<Endianness>::parse(module).ok()?;
    let mut names = Vec::new();
    for section in SECTIONS {
        let Some(section) = file.section_by_name(section) else {
            continue;
        };
        for (_, relocation) in section.relocations() {
            if names.len() as u64 == MAX_SUITES {
                break;
            }
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                return None;
            };
            let symbol = file.symbol_by_index(symbol).ok()?;
            let place = symbol.address().checked_add_signed(relocation.addend())?;
            let data = file.section_by_index(symbol.section_index()?).ok()?;
            let data = data.data().ok()?.get(usize::try_from(place).ok()?..)?;
            let name = name_of(data.get(..usize::try_from(MAX_NAME).ok()?)?)?;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{
        Architecture, BinaryFormat, RelocationFlags, SectionKind, elf,
        write::{Object as Writer, Relocation, Symbol, SymbolSection},
    };

    /// A module with two suites in its data, whose pointers have these addends.
    fn module(addends: [i64; 2]) -> Vec<u8> {
        let mut file = Writer::new(
            BinaryFormat::Elf,
            Architecture::X86_64,
            object::Endianness::Little,
        );
        let data = file.add_section(Vec::new(), b".data".to_vec(), SectionKind::Data);
        let mut suites = Vec::new();
        for name in ["example", "time_test_cases"] {
            let mut suite = name.as_bytes().to_vec();
            suite.resize(300, 0);
            suites.extend(suite);
        }
        file.append_section_data(data, &suites, 16);
        let symbol = file.add_symbol(Symbol {
            name: b"suites".to_vec(),
            value: 0,
            size: 600,
            kind: object::SymbolKind::Data,
            scope: object::SymbolScope::Compilation,
            weak: false,
            section: SymbolSection::Section(data),
            flags: object::SymbolFlags::None,
        });
        let table = file.add_section(Vec::new(), SECTIONS[0].into(), SectionKind::Data);
        file.append_section_data(table, &[0; 16], 8);
        for (n, addend) in addends.into_iter().enumerate() {
            let relocation = Relocation {
                offset: 8 * n as u64,
                symbol,
                addend,
                flags: RelocationFlags::Elf {
                    r_type: elf::R_X86_64_64,
                },
            };
            file.add_relocation(table, relocation).expect("a symbol");
        }
        file.write().expect("an ELF file")
    }

    #[test]
    fn a_modules_suites_are_named() {
        let names = named(&module([0, 300]));
        assert_eq!(
            names,
            Some(vec!["example".into(), "time_test_cases".into()])
        );
        assert_eq!(named(&module([300, 300])).map(|names| names.len()), Some(1));
    }

    #[test]
    fn what_is_no_suite_is_none() {
        for addends in [[0, 601], [0, 590], [-1, 0], [i64::MAX, 0], [20, 0]] {
            assert_eq!(named(&module(addends)), None, "{addends:?}");
        }
        assert_eq!(named(b"\x7fELF"), None);
        let whole = module([0, 300]);
        for end in (0..whole.len()).step_by(7) {
            let _ = named(&whole[..end]);
        }
    }
}
