//! The modules of a kernel: where they are, what they need, and their bytes.

use super::{
    HostPaths, KernelImage,
    compression::{Compression, ExpandError},
    config::built_release,
    modinfo::{self, ModInfo},
};
use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Longest module, in bytes, packed or not. Those of a build tree carry their debug information.
const MAX_MODULE: usize = 512 << 20;

/// Longest list of modules, in bytes.
const MAX_LIST: u64 = 64 << 20;

/// The suffixes that `make modules_install` may add.
const PACKED: [&str; 4] = ["", ".xz", ".zst", ".gz"];

/// The modules of one kernel.
#[derive(Debug, Clone)]
pub struct ModuleIndex {
    release: String,
    dir: PathBuf,
    from_tree: bool,
    /// Path by normal name.
    files: HashMap<String, PathBuf>,
    /// Normal names of modules that are part of the kernel; `None` when nothing says which.
    builtin: Option<HashSet<String>>,
}

/// A module to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFile {
    /// Name as `/proc/modules` shows it: no suffix, `_` for `-`.
    pub name: String,
    /// Its file, perhaps compressed.
    pub path: PathBuf,
}

/// Why modules cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// A module is nowhere.
    #[error(
        "module {name}{} is not among the modules of {release} in {}; {}",
        needed_by.as_ref().map_or_else(String::new, |by| format!(", which {by} needs,")),
        dir.display(),
        how_to_build(*from_tree)
    )]
    Missing {
        /// Its name.
        name: String,
        /// The module that depends on it, unless it was asked for.
        needed_by: Option<String>,
        /// The kernel's release.
        release: String,
        /// Where the modules are.
        dir: PathBuf,
        /// Whether that is a build tree.
        from_tree: bool,
    },
    /// A module is of another kernel.
    #[error(
        "module {} is built for {built_for:?}, and the kernel is {release:?}; {}",
        path.display(),
        how_to_build(*from_tree)
    )]
    OtherRelease {
        /// The module.
        path: PathBuf,
        /// The release in its vermagic.
        built_for: String,
        /// The kernel's release.
        release: String,
        /// Whether it lies in a build tree.
        from_tree: bool,
    },
    /// A file cannot be read.
    #[error("module {} cannot be read", path.display())]
    Io {
        /// The module.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be unpacked.
    #[error("module {} cannot be unpacked", path.display())]
    Expand {
        /// The module.
        path: PathBuf,
        /// Why.
        source: ExpandError,
    },
    /// A file is no module.
    #[error("{} is not a kernel module: it is no ELF file with a .modinfo section; build it again", .0.display())]
    NotAModule(PathBuf),
}

fn how_to_build(from_tree: bool) -> &'static str {
    if from_tree {
        "run `make modules` in the tree, or set its option to y"
    } else {
        "run `make modules_install` in the kernel's tree, or install the modules package of this very kernel"
    }
}

/// A name as the kernel compares them: `-` and `_` are one.
pub(super) fn normal(name: &str) -> String {
    name.replace('-', "_")
}

impl ModuleIndex {
    /// The modules of a kernel: those of the build tree when it was built as the image's release and has any,
    /// else those of the package that the image was unpacked with, else those installed in `/lib/modules`.
    /// `None` when there is no list of modules.
    #[must_use]
    pub fn find(image: &KernelImage, tree: Option<&Path>) -> Option<Self> {
        let installed = HostPaths::default().modules_of(&image.path, &image.release);
        Self::find_in(&installed, &image.release, tree)
    }

    /// The first of the directories `installed` that has a list counts.
    pub(super) fn find_in(
        installed: &[PathBuf],
        release: &str,
        tree: Option<&Path>,
    ) -> Option<Self> {
        let tree = tree.filter(|tree| built_release(tree).as_deref() == Some(release));
        let from_tree = tree.and_then(|tree| {
            let list = read_list(&tree.join("modules.order"))?;
            Some(Self::new(release, tree, true, &list))
        });
        from_tree
            .or_else(|| {
                installed.iter().find_map(|dir| {
                    // A package that was only unpacked has no modules.dep: that is depmod's work.
                    let list = read_list(&dir.join("modules.dep"))
                        .or_else(|| read_list(&dir.join("modules.order")))?;
                    Some(Self::new(release, dir, false, &list))
                })
            })
            .or_else(|| {
                // A kernel that has everything built in has no list of modules, but may say what it has.
                let tree = tree?;
                let index = Self::new(release, tree, true, "");
                index.builtin.is_some().then_some(index)
            })
    }

    /// From `list`: a module's path a line, perhaps with a colon and more after it.
    fn new(release: &str, dir: &Path, from_tree: bool, list: &str) -> Self {
        let files = paths(list)
            .map(|path| (module_name(path), dir.join(path)))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        let builtin = read_list(&dir.join("modules.builtin"))
            .map(|list| paths(&list).map(module_name).collect());
        Self {
            release: release.into(),
            dir: dir.into(),
            from_tree,
            files,
            builtin,
        }
    }

    /// Where the modules are: a build tree or a directory of `/lib/modules`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The normal names of all that are listed, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.files.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The file of a module by its normal name.
    #[must_use]
    pub fn find_file(&self, name: &str) -> Option<ModuleFile> {
        let path = self.file(name)?;
        Some(ModuleFile {
            name: name.to_owned(),
            path,
        })
    }

    /// Whether a module's file is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.file(&normal(name)).is_some()
    }

    /// Whether a module is part of the kernel; `None` when nothing says what is.
    #[must_use]
    pub fn is_builtin(&self, name: &str) -> Option<bool> {
        Some(self.builtin.as_ref()?.contains(&normal(name)))
    }

    /// The file of a module by its normal name, as the list has it or as it may be instead: lists in build trees
    /// name objects (`.o`) since Linux 6.2 and begin with `kernel/` before 5.3, installed ones leave out what
    /// compression adds.
    fn file(&self, name: &str) -> Option<PathBuf> {
        let listed = self.files.get(name)?;
        let module = match listed.extension().and_then(|e| e.to_str()) {
            Some("o") => listed.with_extension("ko"),
            _ => listed.clone(),
        };
        let outside = module
            .strip_prefix(self.dir.join("kernel"))
            .ok()
            .filter(|_| self.from_tree)
            .map(|rest| self.dir.join(rest));
        let candidates = outside.into_iter().chain(PACKED.iter().map(|suffix| {
            let mut path = module.clone().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        }));
        candidates.into_iter().find(|path| path.is_file())
    }

    /// The files to load so that all of `names` are there, each after what it depends on, none twice, without
    /// those that are part of the kernel.
    ///
    /// # Errors
    /// Any [`ModuleError`]: a module or one it depends on is missing, is of another kernel, or cannot be read.
    pub fn resolve<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<ModuleFile>, ModuleError> {
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        for name in names {
            self.visit(&normal(name.as_ref()), None, &mut seen, &mut order)?;
        }
        Ok(order)
    }

    fn visit(
        &self,
        name: &str,
        needed_by: Option<&str>,
        seen: &mut HashSet<String>,
        order: &mut Vec<ModuleFile>,
    ) -> Result<(), ModuleError> {
        if self.is_builtin(name) == Some(true) || !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let module = self.find_file(name).ok_or_else(|| ModuleError::Missing {
            name: name.to_owned(),
            needed_by: needed_by.map(String::from),
            release: self.release.clone(),
            dir: self.dir.clone(),
            from_tree: self.from_tree,
        })?;
        let info = self.info(&module)?;
        for wanted in info.soft_pre.iter().map(|n| normal(n)) {
            // Most soft dependencies are aliases (crypto-crc32c) or may be absent; those that are modules go first.
            if self.file(&wanted).is_some() {
                self.visit(&wanted, Some(name), seen, order)?;
            }
        }
        for needed in info.depends.iter().map(|n| normal(n)) {
            self.visit(&needed, Some(name), seen, order)?;
        }
        order.push(module);
        Ok(())
    }

    /// A module's statements, its vermagic checked.
    fn info(&self, module: &ModuleFile) -> Result<ModInfo, ModuleError> {
        let info = modinfo::read(&load(module)?)
            .ok_or_else(|| ModuleError::NotAModule(module.path.clone()))?;
        let built_for = info.vermagic.split(' ').next().unwrap_or_default();
        if built_for != self.release {
            return Err(ModuleError::OtherRelease {
                path: module.path.clone(),
                built_for: built_for.into(),
                release: self.release.clone(),
                from_tree: self.from_tree,
            });
        }
        Ok(info)
    }
}

/// The bytes of a module, unpacked if its content is compressed, whatever its name.
///
/// # Errors
/// [`ModuleError::Io`], [`ModuleError::Expand`].
pub fn load(module: &ModuleFile) -> Result<Vec<u8>, ModuleError> {
    let path = || module.path.clone();
    let mut bytes = Vec::new();
    File::open(&module.path)
        .and_then(|file| file.take(MAX_MODULE as u64).read_to_end(&mut bytes))
        .map_err(|source| ModuleError::Io {
            path: path(),
            source,
        })?;
    match Compression::detect(&bytes) {
        None => Ok(bytes),
        Some(format) => format
            .expand(&bytes, MAX_MODULE)
            .map_err(|source| ModuleError::Expand {
                path: path(),
                source,
            }),
    }
}

fn read_list(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    File::open(path)
        .ok()?
        .take(MAX_LIST)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The paths of a list, one at the beginning of each line.
fn paths(list: &str) -> impl Iterator<Item = &str> {
    list.lines()
        .map(|line| line.split(':').next().unwrap_or_default().trim())
        .filter(|path| !path.is_empty())
}

/// The normal name of the module in a file: `kernel/fs/9p/v9fs-x.ko.xz` holds `v9fs_x`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    normal(file.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
