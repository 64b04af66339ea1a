//! Source lines of a kernel's stack traces: from function and offset, as the kernel prints them, by the debug information of
//! its vmlinux, and of its modules. Functions and offsets stay where the kernel itself is moved to (KASLR).

mod files;
mod module;
mod name;

use self::{files::Files, module::ModuleLines};
use super::Symbols;
use addr2line::Loader;
use object::{
    Endianness,
    elf::FileHeader64,
    read::{ReadCache, elf::FileHeader},
};
use splats::{Frame, Location, Splat};
use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    path::{Path, PathBuf},
};

/// Most inlined functions listed for one frame.
const MAX_INLINED: usize = 32;

/// A function of every kernel, and its file below the source tree.
const LANDMARK: (&str, &str) = ("start_kernel", "init/main.c");

/// Why a file gives no lines.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It is no ELF file of 64 bits.
    #[error(
        "{} is no vmlinux (an ELF file of 64 bits); name the one that lies at the top of the kernel's build tree, unpacked",
        .0.display()
    )]
    NotElf(PathBuf),
    /// It has no symbols.
    #[error("{} has no symbols; name the vmlinux of a build tree or of a distribution's debug package", .0.display())]
    NoSymbols(PathBuf),
    /// It has symbols and nothing more.
    #[error(
        "{} has no debug information, so stacks stay without source lines; build the kernel with \
         CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y",
        .0.display()
    )]
    NoDebugInfo(PathBuf),
}

/// Most modules that are open at the same time.
const MAX_MODULES: usize = 32;

/// Debug information, ready to be asked.
type Loaded = Loader;

fn loaded(path: &Path) -> Option<Loaded> {
    Loader::new(path).ok()
}

/// A frame as it is looked up: module, function, offset, size, whether it is where the CPU was.
type Key = (Option<String>, String, u64, u64, bool);

/// Finds source lines in a vmlinux with debug information, and in the modules beside it.
pub struct SourceLines {
    symbols: Symbols,
    loaded: Loaded,
    /// Release and number of the build, where the file has them.
    name: Option<String>,
    /// What comes before the names of files.
    tree: String,
    files: Files,
    /// By their names; `None` for those that give no lines.
    modules: HashMap<String, Option<ModuleLines>>,
    known: HashMap<Key, Vec<Location>>,
}

impl SourceLines {
    /// Opens a vmlinux. Its modules are looked for in its build tree, or where a distribution's packages put them.
    ///
    /// # Errors
    /// [`LinesError`].
    pub fn open(path: &Path) -> Result<Self, LinesError> {
        let io = |source| LinesError::Io {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(LinesError::NotElf(path.into()));
        }
        let data = ReadCache::new(file);
        let header = FileHeader64::<Endianness>::parse(&data)
            .map_err(|_| LinesError::NotElf(path.into()))?;
        let symbols = Symbols::of_elf(&data).ok_or_else(|| LinesError::NoSymbols(path.into()))?;
        let has_debug_info = header.endian().ok().is_some_and(|endian| {
            let sections = header.sections(endian, &data);
            sections
                .is_ok_and(|sections| sections.section_by_name(endian, b".debug_info").is_some())
        });
        if !has_debug_info {
            return Err(LinesError::NoDebugInfo(path.into()));
        }
        let banner = symbols.address_of("linux_banner");
        let name = banner.and_then(|address| name::named(&data, address));
        let loaded = loaded(path).ok_or_else(|| LinesError::NoDebugInfo(path.into()))?;
        let mut lines = Self {
            symbols,
            loaded,
            files: Files::beside(
                path,
                name.as_deref().and_then(|name| name.split(' ').next()),
            ),
            name,
            tree: String::new(),
            modules: HashMap::new(),
            known: HashMap::new(),
        };
        lines.tree = lines.find_tree().unwrap_or_default();
        Ok(lines)
    }

    /// The same with a directory, or a file, in which modules are looked for first.
    #[must_use]
    pub fn with_modules(mut self, place: &Path) -> Self {
        self.files.first(place);
        self
    }

    /// The kernel that the vmlinux is of: release and number of the build, where the file has them.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Adds source lines to the frames of these splats. Those of another kernel get none, since they would be wrong: the names
    /// of such kernels.
    pub fn decode(&mut self, splats: &mut [Splat]) -> BTreeSet<String> {
        let mut others = BTreeSet::new();
        for splat in splats {
            match (&splat.kernel, &self.name) {
                (Some(theirs), Some(ours)) if theirs != ours => {
                    others.insert(theirs.clone());
                }
                _ => {
                    let frames = splat.frames.iter_mut();
                    frames.for_each(|frame| self.decode_frame(frame));
                }
            }
        }
        others
    }

    fn decode_frame(&mut self, frame: &mut Frame) {
        let (Some(offset), Some(size)) = (frame.offset, frame.size) else {
            return;
        };
        let key = (
            frame.module.clone(),
            frame.function.clone(),
            offset,
            size,
            frame.exact,
        );
        if let Some(known) = self.known.get(&key) {
            frame.locations.clone_from(known);
            return;
        }
        // A return address is behind its call.
        let place = if frame.exact {
            offset
        } else {
            offset.saturating_sub(1)
        };
        let locations = match &frame.module {
            None => {
                let address = the_one(self.symbols.all_of(&frame.function), size);
                address.and_then(|address| {
                    locations(&self.loaded, address.checked_add(place)?, &self.tree)
                })
            }
            Some(module) => self.in_module(&module.clone(), &frame.function, size, place),
        };
        frame.locations = locations.unwrap_or_default();
        self.known.insert(key, frame.locations.clone());
    }

    fn in_module(
        &mut self,
        module: &str,
        function: &str,
        size: u64,
        place: u64,
    ) -> Option<Vec<Location>> {
        if !self.modules.contains_key(module) {
            if self.modules.len() == MAX_MODULES {
                self.modules.clear();
            }
            let release = self.name.as_deref().and_then(|name| name.split(' ').next());
            let mut files = self.files.of(module);
            let opened = files.find_map(|file| ModuleLines::open(&file, release));
            self.modules.insert(module.to_owned(), opened);
        }
        let lines = self.modules.get(module)?.as_ref()?;
        let address = the_one(lines.all_of(function), size)?;
        locations(lines.loaded(), address.checked_add(place)?, &self.tree)
    }

    /// Where the kernel was built, with the slash behind.
    fn find_tree(&self) -> Option<String> {
        let (function, file) = LANDMARK;
        let address = self.symbols.address_of(function)?;
        let location = self.loaded.find_location(address).ok()??;
        let tree = location.file?.strip_suffix(file)?;
        Some(tree.strip_suffix("./").unwrap_or(tree).to_owned())
    }
}

/// The address of a function; of several of one name, the one of this size; none where none fits.
fn the_one(mut found: impl Iterator<Item = (u64, u64)>, size: u64) -> Option<u64> {
    let first = found.next()?;
    let others: Vec<(u64, u64)> = found.collect();
    if others.is_empty() {
        return Some(first.0);
    }
    let mut fitting = std::iter::once(first)
        .chain(others)
        .filter(|(_, length)| *length == size);
    match (fitting.next(), fitting.next()) {
        (Some((address, _)), None) => Some(address),
        _ => None,
    }
}

/// The places of an address, innermost inlined function first; files as they lie below `tree`.
fn locations(loaded: &Loaded, address: u64, tree: &str) -> Option<Vec<Location>> {
    let mut frames = loaded.find_frames(address).ok()?;
    let mut locations = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        if locations.len() == MAX_INLINED {
            break;
        }
        let name = frame
            .function
            .as_ref()
            .and_then(|function| function.raw_name().ok());
        let (file, line) = frame
            .location
            .map_or((None, None), |place| (place.file, place.line));
        let below = |file: &str| {
            let below = file.strip_prefix(tree).unwrap_or(file);
            below.strip_prefix("./").unwrap_or(below).to_owned()
        };
        locations.push(Location {
            function: name.map_or_else(|| "?".to_owned(), |name| name.into_owned()),
            file: file.map(below),
            line,
        });
    }
    Some(locations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fixture;

    #[test]
    fn a_file_that_gives_no_lines_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("text");
        std::fs::write(&text, "make vmlinux\n").unwrap();
        for (path, why) in [
            (text.as_path(), "is no vmlinux"),
            (dir.path(), "is no vmlinux"),
            (&dir.path().join("gone"), "cannot be read"),
        ] {
            let error = SourceLines::open(path).err().expect("refused").to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
        let bare = dir.path().join("vmlinux");
        std::fs::write(&bare, fixture::elf_header(2, 62, 0)).unwrap();
        assert!(matches!(
            SourceLines::open(&bare),
            Err(LinesError::NoSymbols(_))
        ));
    }
}
