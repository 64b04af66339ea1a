//! A kernel source tree and the collections of tests in it.

use std::{
    collections::HashSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// Where the tests are in a kernel tree.
pub(crate) const SELFTESTS: &str = "tools/testing/selftests";

/// Why a directory cannot be used as a kernel tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Something that every kernel tree has is missing.
    #[error(
        "{} is not a kernel source tree: it has no {missing}; name the directory that holds the kernel's Makefile and tools/",
        path.display()
    )]
    NotATree {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
    /// The list of collections cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A kernel source tree. It is only ever read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree whose top directory is `path`.
    ///
    /// # Errors
    /// [`TreeError`] if it is none.
    pub fn open(path: &Path) -> Result<Self, TreeError> {
        let root = fs::canonicalize(path).map_err(|source| TreeError::Unreadable {
            path: path.into(),
            source,
        })?;
        for missing in ["Makefile", "scripts", "tools/testing/selftests/Makefile"] {
            if !root.join(missing).exists() {
                return Err(TreeError::NotATree {
                    path: path.into(),
                    missing,
                });
            }
        }
        Ok(Self { root })
    }

    /// The tree that `path`, a directory or file, is in.
    #[must_use]
    pub fn around(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        path.ancestors().find_map(|dir| Self::open(dir).ok())
    }

    /// Its top directory, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The collections that a build of everything makes: `TARGETS` of the selftests' Makefile, in its order, without its
    /// `SKIP_TARGETS` (bpf and sched_ext, which need the newest tools; they can still be named).
    ///
    /// # Errors
    /// [`TreeError::Unreadable`].
    pub fn collections(&self) -> Result<Vec<String>, TreeError> {
        let path = self.root.join(SELFTESTS).join("Makefile");
        let text = fs::read(&path).map_err(|source| TreeError::Unreadable { path, source })?;
        let text = String::from_utf8_lossy(&text);
        let skipped: HashSet<&str> = words_of(&text, "SKIP_TARGETS").collect();
        let mut seen = HashSet::new();
        Ok(words_of(&text, "TARGETS")
            .filter(|name| {
                !skipped.contains(name) && self.has_collection(name) && seen.insert(*name)
            })
            .map(str::to_owned)
            .collect())
    }

    /// Whether there is a collection of that name, be it one that a build of everything leaves out.
    #[must_use]
    pub fn has_collection(&self, name: &str) -> bool {
        is_plain(name)
            && self
                .root
                .join(SELFTESTS)
                .join(name)
                .join("Makefile")
                .is_file()
    }
}

/// Whether a collection's name is a path that goes only down and that make and a shell take as one plain word.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+,".contains(c);
    !name.is_empty()
        && !name.starts_with('-')
        && name.chars().all(plain)
        && Path::new(name)
            .components()
            .all(|c| matches!(c, Component::Normal(_)))
}

/// The words that a Makefile assigns to `variable`, whatever the operator and the conditions around it.
fn words_of<'t>(makefile: &'t str, variable: &'t str) -> impl Iterator<Item = &'t str> {
    makefile
        .lines()
        .filter_map(move |line| {
            let rest = line.strip_prefix(variable)?.trim_start();
            let value = ["+=", ":=", "?=", "="]
                .iter()
                .find_map(|operator| rest.strip_prefix(operator))?;
            Some(value.split('#').next().unwrap_or(""))
        })
        .flat_map(str::split_whitespace)
        .filter(|word| is_plain(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like a kernel tree with these collections.
    fn tree(makefile: &str, collections: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let selftests = dir.path().join(SELFTESTS);
        for name in collections {
            fs::create_dir_all(selftests.join(name)).expect("a directory");
            fs::write(selftests.join(name).join("Makefile"), "include ../lib.mk\n")
                .expect("a file");
        }
        fs::create_dir_all(dir.path().join("scripts")).expect("a directory");
        fs::write(dir.path().join("Makefile"), "").expect("a file");
        fs::write(selftests.join("Makefile"), makefile).expect("a file");
        dir
    }

    const MAKEFILE: &str = "# SPDX\nTARGETS += acct\nTARGETS += bpf\nTARGETS +=net/forwarding net\n\
        ifneq (1, $(quicktest))\nTARGETS += timers # slow\nendif\nTARGETS += gone\nTARGETS += acct\n\
        TARGETS_HOTPLUG = cpu-hotplug\nSKIP_TARGETS ?= bpf sched_ext\n\tTMP := $(filter-out $(SKIP_TARGETS), $(TARGETS))\n";

    #[test]
    fn collections_are_read_without_a_build() {
        let dir = tree(
            MAKEFILE,
            &["acct", "bpf", "net", "net/forwarding", "timers", "sched"],
        );
        let tree = Tree::open(dir.path()).expect("a tree");
        assert_eq!(
            tree.collections().expect("a list"),
            ["acct", "net/forwarding", "net", "timers"]
        );
        assert!(tree.has_collection("bpf") && tree.has_collection("sched"));
        for name in ["gone", "../selftests/net", "/etc", "net;x", "-f", "", "."] {
            assert!(!tree.has_collection(name), "{name}");
        }
    }

    #[test]
    fn a_tree_is_found_from_inside_and_refused_elsewhere() {
        let dir = tree(MAKEFILE, &["net"]);
        let inside = dir.path().join(SELFTESTS).join("net/Makefile");
        let tree = Tree::around(&inside).expect("a tree");
        assert_eq!(tree.root(), fs::canonicalize(dir.path()).expect("a path"));
        assert_eq!(Tree::around(Path::new("/proc")), None);
        fs::remove_file(dir.path().join("Makefile")).expect("removed");
        let error = Tree::open(dir.path()).expect_err("no tree").to_string();
        assert!(error.contains("has no Makefile"), "{error}");
    }
}
