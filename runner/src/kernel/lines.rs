//! Source lines of a kernel's stack traces: from function and offset, as the kernel prints them, by the debug information of
//! its vmlinux. Functions and offsets stay where the kernel itself is moved to (KASLR).

use super::Symbols;
use addr2line::Loader;
use object::{
    Endianness,
    elf::FileHeader64,
    read::{ReadCache, elf::FileHeader},
};
use splats::{Frame, Location, Splat};
use std::{
    collections::HashMap,
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

/// Finds source lines in a vmlinux with debug information.
pub struct SourceLines {
    symbols: Symbols,
    loader: Loader,
    /// What comes before the names of files.
    tree: String,
    known: HashMap<(String, u64, u64, bool), Vec<Location>>,
}

impl SourceLines {
    /// Opens a vmlinux.
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
        let loader = Loader::new(path).map_err(|_| LinesError::NoDebugInfo(path.into()))?;
        let mut lines = Self {
            symbols,
            loader,
            tree: String::new(),
            known: HashMap::new(),
        };
        lines.tree = lines.find_tree().unwrap_or_default();
        Ok(lines)
    }

    /// Adds source lines to the frames of these splats, as far as they are in the kernel proper.
    pub fn decode(&mut self, splats: &mut [Splat]) {
        for frame in splats.iter_mut().flat_map(|splat| &mut splat.frames) {
            self.decode_frame(frame);
        }
    }

    fn decode_frame(&mut self, frame: &mut Frame) {
        let (Some(offset), Some(size), None) = (frame.offset, frame.size, &frame.module) else {
            return;
        };
        let key = (frame.function.clone(), offset, size, frame.exact);
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
        let address = self.address_of(&frame.function, size);
        let locations = address.and_then(|address| self.locations(address.checked_add(place)?));
        frame.locations = locations.unwrap_or_default();
        self.known.insert(key, frame.locations.clone());
    }

    /// The address of a function; of several of one name, the one of this size; none where none fits.
    fn address_of(&self, function: &str, size: u64) -> Option<u64> {
        let mut found = self.symbols.all_of(function);
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

    /// The places of an address, innermost inlined function first.
    fn locations(&self, address: u64) -> Option<Vec<Location>> {
        let mut frames = self.loader.find_frames(address).ok()?;
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
            let file = file.map(|file| self.below_tree(file).to_owned());
            locations.push(Location {
                function: name.map_or_else(|| "?".to_owned(), |name| name.into_owned()),
                file,
                line,
            });
        }
        Some(locations)
    }

    fn below_tree<'f>(&self, file: &'f str) -> &'f str {
        let below = file.strip_prefix(&self.tree).unwrap_or(file);
        below.strip_prefix("./").unwrap_or(below)
    }

    /// Where the kernel was built, with the slash behind.
    fn find_tree(&self) -> Option<String> {
        let (function, file) = LANDMARK;
        let address = self.symbols.address_of(function)?;
        let location = self.loader.find_location(address).ok()??;
        let tree = location.file?.strip_suffix(file)?;
        Some(tree.strip_suffix("./").unwrap_or(tree).to_owned())
    }
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
