//! Where the files of modules are that have debug information.

use crate::kernel::modules::normal;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use walkdir::WalkDir;

/// Most files and directories looked at, so that a wrong directory costs seconds and no more.
const MAX_ENTRIES: usize = 1 << 20;

/// Most files of one name.
const MAX_OF_ONE: usize = 4;

/// Names of module files behind the module's own: built, split off, installed.
const SUFFIXES: [&str; 5] = [".ko", ".ko.debug", ".ko.xz", ".ko.zst", ".ko.gz"];

/// The modules of a kernel, looked for when the first is asked for.
#[derive(Debug)]
pub struct Files {
    places: Vec<PathBuf>,
    /// By normal name, in the order of the places.
    found: Option<HashMap<String, Vec<PathBuf>>>,
}

impl Files {
    /// Those that belong to a vmlinux of this release: of its build tree, or of the packages that hold debug information and
    /// modules.
    pub fn beside(vmlinux: &Path, release: Option<&str>) -> Self {
        let vmlinux = vmlinux.canonicalize().unwrap_or_else(|_| vmlinux.into());
        let mut places = Vec::new();
        let is_modules = |dir: &Path| dir.join("modules.order").is_file();
        if let Some(dir) = vmlinux.parent().filter(|dir| is_modules(dir)) {
            places.push(dir.to_owned());
        }
        let name = vmlinux.file_name().and_then(|name| name.to_str());
        let named = name.and_then(|name| name.strip_prefix("vmlinux-"));
        if let Some(release) = release.or(named).filter(|release| !release.contains('/')) {
            for modules in ["/usr/lib/debug/lib/modules", "/lib/modules"] {
                places.push(Path::new(modules).join(release));
            }
        }
        Self {
            places,
            found: None,
        }
    }

    /// Looks in this directory, or at this file, before the others.
    pub fn first(&mut self, place: &Path) {
        self.places.insert(0, place.into());
        self.found = None;
    }

    /// The files that a module may be, the most likely first.
    pub fn of(&mut self, module: &str) -> impl Iterator<Item = PathBuf> {
        let places = &self.places;
        let found = self.found.get_or_insert_with(|| find(places));
        found
            .get(&normal(module))
            .cloned()
            .unwrap_or_default()
            .into_iter()
    }
}

fn find(places: &[PathBuf]) -> HashMap<String, Vec<PathBuf>> {
    let mut found: HashMap<String, Vec<PathBuf>> = HashMap::new();
    let entries = places.iter().flat_map(WalkDir::new);
    for entry in entries.take(MAX_ENTRIES).flatten() {
        let name = entry.file_name().to_string_lossy();
        let module = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        let Some(module) = module.filter(|_| entry.file_type().is_file()) else {
            continue;
        };
        let files = found.entry(normal(module)).or_default();
        if files.len() < MAX_OF_ONE {
            files.push(entry.path().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_the_names_that_the_kernel_prints() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for sub in ["tree/drivers", "other"] {
            std::fs::create_dir_all(path(sub)).unwrap();
        }
        for file in [
            "tree/modules.order",
            "tree/vmlinux",
            "tree/drivers/a-module.ko",
            "tree/drivers/a-module.o",
            "other/a_module.ko.debug",
        ] {
            std::fs::write(path(file), "").unwrap();
        }
        let mut files = Files::beside(&path("tree/vmlinux"), None);
        let of = |files: &mut Files, name: &str| files.of(name).collect::<Vec<_>>();
        let tree = dir.path().canonicalize().unwrap().join("tree");
        assert_eq!(
            of(&mut files, "a_module"),
            [tree.join("drivers/a-module.ko")]
        );
        assert!(of(&mut files, "another").is_empty());
        files.first(&path("other"));
        assert_eq!(
            of(&mut files, "a_module")[0],
            path("other/a_module.ko.debug")
        );
        let mut lone = Files::beside(&path("other/vmlinux"), None);
        assert!(of(&mut lone, "a_module").is_empty());
    }
}
