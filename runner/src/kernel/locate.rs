//! Where kernels are: the one a run takes when none is named, and the build tree of one that is.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Where the host keeps installed kernels.
#[derive(Debug, Clone)]
pub struct HostPaths {
    /// Images and configurations: `/boot`.
    pub boot: PathBuf,
    /// Directories named by release: `/lib/modules`.
    pub modules: PathBuf,
}

impl Default for HostPaths {
    fn default() -> Self {
        Self {
            boot: "/boot".into(),
            modules: "/lib/modules".into(),
        }
    }
}

impl HostPaths {
    /// Where the modules of `image`, a kernel of that release, may be installed: in the package it was unpacked
    /// with, `X/lib/modules/RELEASE` for `X/boot/vmlinuz-RELEASE`, or beside it for `X/lib/modules/RELEASE/vmlinuz`,
    /// before the host's own.
    pub(super) fn modules_of(&self, image: &Path, release: &str) -> Vec<PathBuf> {
        let image = image.canonicalize().unwrap_or_else(|_| image.into());
        let mut directories = Vec::new();
        if let Some(dir) = image.parent() {
            if dir.ends_with(release) {
                directories.push(dir.into());
            }
            if let Some(package) = dir.parent().filter(|_| dir.ends_with("boot")) {
                for modules in ["lib/modules", "usr/lib/modules"] {
                    directories.push(package.join(modules).join(release));
                }
            }
        }
        directories.push(self.modules.join(release));
        directories
    }
}

/// Why there is no kernel to take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocateError {
    /// We stand in a kernel tree that has not been built. Another kernel would not be the one that is meant.
    #[error(
        "the kernel tree {} has no {}; build it with `make bzImage`, or name a kernel with --kernel",
        tree.display(),
        image.display()
    )]
    NotBuilt {
        /// The tree.
        tree: PathBuf,
        /// The image, below the tree.
        image: PathBuf,
    },
    /// There is none anywhere.
    #[error("there is no kernel: {looked}; name one with --kernel")]
    Nothing {
        /// Where it was looked for and what was not there.
        looked: String,
    },
}

/// Below a build tree.
const BZIMAGE: &str = "arch/x86/boot/bzImage";

/// The kernel to take when none is named: that of the kernel tree `cwd` is in, else the running kernel's
/// image, else `/boot/vmlinuz`, else the newest `/boot/vmlinuz-*`.
///
/// # Errors
/// [`LocateError`]: also when we stand in a tree that is not built, for testing another kernel instead would
/// give a verdict on the wrong one.
pub fn default_kernel(cwd: &Path) -> Result<PathBuf, LocateError> {
    let uname = rustix::system::uname();
    default_kernel_on(
        &HostPaths::default(),
        cwd,
        &uname.release().to_string_lossy(),
    )
}

fn default_kernel_on(host: &HostPaths, cwd: &Path, running: &str) -> Result<PathBuf, LocateError> {
    if let Some(tree) = cwd.ancestors().find(|dir| is_tree(dir)) {
        let image = tree.join(BZIMAGE);
        return if image.is_file() {
            Ok(image)
        } else {
            Err(LocateError::NotBuilt {
                tree: tree.into(),
                image: BZIMAGE.into(),
            })
        };
    }
    let named = [
        host.boot.join(format!("vmlinuz-{running}")),
        host.modules.join(running).join("vmlinuz"),
        host.boot.join("vmlinuz"),
    ];
    if let Some(image) = named.iter().find(|path| path.is_file()) {
        return Ok(image.clone());
    }
    newest_image(&host.boot).ok_or_else(|| LocateError::Nothing {
        looked: format!(
            "{} is not in a kernel tree, and neither {}, {}, {} nor any {}/vmlinuz-* exists",
            cwd.display(),
            named[0].display(),
            named[1].display(),
            named[2].display(),
            host.boot.display()
        ),
    })
}

/// The `vmlinuz-*` that was modified last; the greater name of two that were at once.
fn newest_image(boot: &Path) -> Option<PathBuf> {
    let dated = |entry: fs::DirEntry| -> Option<(SystemTime, PathBuf)> {
        let name = entry.file_name();
        let path = entry.path();
        let metadata = fs::metadata(&path).ok()?;
        (name.to_string_lossy().starts_with("vmlinuz-") && metadata.is_file())
            .then(|| Some((metadata.modified().ok()?, path)))?
    };
    fs::read_dir(boot)
        .ok()?
        .filter_map(|entry| dated(entry.ok()?))
        .max()
        .map(|(_, path)| path)
}

/// The build tree that an image lies in: the directory above it that is a kernel's source or output directory.
#[must_use]
pub fn tree_of(image: &Path) -> Option<PathBuf> {
    // arch/x86_64/boot is a link to arch/x86/boot, and people link images into their trees' neighbourhood.
    let image = image.canonicalize().ok()?;
    image
        .ancestors()
        .skip(1)
        .find(|dir| is_tree(dir))
        .map(Path::to_owned)
}

/// Whether `dir` is the top of a kernel's source tree, or an output directory (`make O=`).
fn is_tree(dir: &Path) -> bool {
    let source = ["Kbuild", "MAINTAINERS", "arch/x86"];
    let output = [".config", "arch/x86/boot"];
    source.iter().all(|name| dir.join(name).exists())
        || output.iter().all(|name| dir.join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    fn source_tree(dir: &Path) {
        for name in ["Kbuild", "MAINTAINERS", "arch/x86/Kconfig"] {
            touch(&dir.join(name));
        }
    }

    fn host(dir: &Path) -> HostPaths {
        HostPaths {
            boot: dir.join("boot"),
            modules: dir.join("lib/modules"),
        }
    }

    #[test]
    fn the_tree_we_stand_in_wins_over_installed_kernels() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("linux");
        source_tree(&top);
        touch(&top.join(BZIMAGE));
        touch(&top.join("drivers/net/Kconfig"));
        touch(&dir.path().join("boot/vmlinuz"));
        let found = default_kernel_on(&host(dir.path()), &top.join("drivers/net"), "6.1");
        assert_eq!(found, Ok(top.join(BZIMAGE)));
        assert_eq!(
            tree_of(&top.join(BZIMAGE)),
            Some(top.canonicalize().unwrap())
        );
    }

    #[test]
    fn an_output_directory_inside_a_source_tree_is_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("linux/build");
        source_tree(&dir.path().join("linux"));
        touch(&out.join(".config"));
        touch(&out.join(BZIMAGE));
        let found = default_kernel_on(&host(dir.path()), &out, "6.1");
        assert_eq!(found, Ok(out.join(BZIMAGE)));
        assert_eq!(
            tree_of(&out.join(BZIMAGE)),
            Some(out.canonicalize().unwrap())
        );
    }

    #[test]
    fn a_tree_that_is_not_built_is_an_error_and_not_another_kernel() {
        let dir = tempfile::tempdir().unwrap();
        source_tree(dir.path());
        touch(&dir.path().join("boot/vmlinuz"));
        let error = default_kernel_on(&host(dir.path()), dir.path(), "6.1").unwrap_err();
        assert!(matches!(error, LocateError::NotBuilt { .. }));
        assert!(error.to_string().contains("make bzImage"));
    }

    #[test]
    fn outside_of_trees_the_order_is_running_then_default_then_newest() {
        let dir = tempfile::tempdir().unwrap();
        let host = host(dir.path());
        let cwd = dir.path().join("home");
        let error = default_kernel_on(&host, &cwd, "6.1").unwrap_err();
        for looked in ["home", "boot/vmlinuz-6.1", "6.1/vmlinuz", "vmlinuz-*"] {
            assert!(error.to_string().contains(looked), "{error}");
        }

        let old = host.boot.join("vmlinuz-9.9");
        let new = host.boot.join("vmlinuz-5.5");
        touch(&old);
        touch(&new);
        touch(&host.boot.join("config-5.5"));
        let long_ago = SystemTime::UNIX_EPOCH;
        fs::File::options()
            .write(true)
            .open(&old)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        // A dangling link is no kernel.
        std::os::unix::fs::symlink("gone", host.boot.join("vmlinuz")).unwrap();
        assert_eq!(default_kernel_on(&host, &cwd, "6.1"), Ok(new));

        for path in [
            host.modules.join("6.1/vmlinuz"),
            host.boot.join("vmlinuz-6.1"),
        ] {
            touch(&path);
            assert_eq!(default_kernel_on(&host, &cwd, "6.1"), Ok(path));
        }
    }

    #[test]
    fn modules_are_looked_for_in_the_package_of_the_image_first() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let host = HostPaths::default();
        let own = PathBuf::from("/lib/modules/6.1");
        let places = |image: &str| {
            touch(&top.join(image));
            host.modules_of(&top.join(image), "6.1")
        };
        assert_eq!(
            places("p/boot/vmlinuz-6.1"),
            [
                top.join("p/lib/modules/6.1"),
                top.join("p/usr/lib/modules/6.1"),
                own.clone()
            ]
        );
        assert_eq!(
            places("q/lib/modules/6.1/vmlinuz"),
            [top.join("q/lib/modules/6.1"), own.clone()]
        );
        assert_eq!(places("elsewhere/vmlinuz-6.1"), [own]);
    }

    #[test]
    fn an_image_outside_of_trees_has_none() {
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("boot/vmlinuz"));
        assert_eq!(tree_of(&dir.path().join("boot/vmlinuz")), None);
        assert_eq!(tree_of(&dir.path().join("boot/nothing")), None);
    }
}
