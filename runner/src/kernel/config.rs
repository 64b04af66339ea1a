//! A kernel's configuration, found without being asked for.

use super::{HostPaths, ikconfig, image::KernelImage};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// What a symbol is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `=y`
    Yes,
    /// `=m`
    Module,
    /// `is not set`, or not mentioned.
    No,
    /// Any other value; strings without their quotes.
    Value(String),
}

/// The configuration that a kernel was built with.
#[derive(Debug, Clone)]
pub struct KernelConfig {
    symbols: HashMap<String, Setting>,
    origin: String,
    file: Option<PathBuf>,
}

impl KernelConfig {
    /// Reads the text of a `.config`; `origin` says where it is from, as [`KernelConfig::origin`] returns it.
    /// `None` when no line of it sets anything.
    #[must_use]
    pub fn parse(text: &str, origin: impl Into<String>) -> Option<Self> {
        let symbols: HashMap<_, _> = text.lines().filter_map(parse_line).collect();
        (!symbols.is_empty()).then(|| Self {
            symbols,
            origin: origin.into(),
            file: None,
        })
    }

    /// The configuration of `image`, from the first of these that has one: the image itself, the build tree
    /// it lies in (unless the tree has since been built as another release), `config-RELEASE` beside the image
    /// and in `/boot`, then `config` and `build/.config` of the directories that may hold its modules.
    ///
    /// `cache_dir` keeps what was found in images, whose unpacking takes a second; it is made when needed.
    #[must_use]
    pub fn find(
        image: &KernelImage,
        tree: Option<&Path>,
        cache_dir: Option<&Path>,
    ) -> Option<Self> {
        Self::find_on(&HostPaths::default(), image, tree, cache_dir)
    }

    pub(super) fn find_on(
        host: &HostPaths,
        image: &KernelImage,
        tree: Option<&Path>,
        cache_dir: Option<&Path>,
    ) -> Option<Self> {
        // An image that cannot be unpacked here may still boot, and its configuration be found beside it.
        if let Ok(Some(text)) = ikconfig::text(image, cache_dir)
            && let Some(config) =
                Self::parse(&text, format!("embedded in {}", image.path.display()))
        {
            return Some(config);
        }
        if let Some(tree) = tree.filter(|tree| may_be_of(tree, &image.release)) {
            let path = tree.join(".config");
            if let Some(mut config) = Self::read(&path) {
                if is_newer(&path, image) {
                    config
                        .origin
                        .push_str(" (changed after the kernel was built)");
                }
                return Some(config);
            }
        }
        let named = format!("config-{}", image.release);
        let beside = [image.path.with_file_name(&named), host.boot.join(&named)];
        let modules = host.modules_of(&image.path, &image.release);
        let with_modules = modules
            .iter()
            .flat_map(|dir| [dir.join("config"), dir.join("build/.config")]);
        beside
            .into_iter()
            .chain(with_modules)
            .find_map(|path| Self::read(&path))
    }

    /// Reads a file; `None` when it is not there, cannot be read or is no configuration.
    fn read(path: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        if !path.is_file() {
            return None;
        }
        File::open(path)
            .ok()?
            .take(ikconfig::MAX_TEXT as u64)
            .read_to_end(&mut bytes)
            .ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let config = Self::parse(&text, path.display().to_string())?;
        Some(Self {
            file: Some(path.into()),
            ..config
        })
    }

    /// The setting of a symbol, named without `CONFIG_`; a symbol that is not mentioned is [`Setting::No`].
    #[must_use]
    pub fn get(&self, symbol: &str) -> &Setting {
        self.symbols.get(symbol).unwrap_or(&Setting::No)
    }

    /// Whether a symbol is `y` or `m`.
    #[must_use]
    pub fn is_on(&self, symbol: &str) -> bool {
        matches!(self.get(symbol), Setting::Yes | Setting::Module)
    }

    /// Where it was found: a path, or `embedded in` one.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The file of its text, where it has one of its own.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// `CONFIG_NAME=value` or `# CONFIG_NAME is not set`; anything else says nothing.
fn parse_line(line: &str) -> Option<(String, Setting)> {
    let line = line.trim_end();
    let (name, setting) = if let Some(rest) = line.strip_prefix("CONFIG_") {
        let (name, value) = rest.split_once('=')?;
        let setting = match value {
            "y" => Setting::Yes,
            "m" => Setting::Module,
            "n" => Setting::No,
            _ => Setting::Value(unquote(value)),
        };
        (name, setting)
    } else {
        let name = line
            .strip_prefix("# CONFIG_")?
            .strip_suffix(" is not set")?;
        (name, Setting::No)
    };
    let sound = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    sound.then(|| (name.to_owned(), setting))
}

/// The value of a quoted string, in which `\` keeps the next character.
fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// Whether the build tree was last built as `release`, or never.
pub(super) fn may_be_of(tree: &Path, release: &str) -> bool {
    built_release(tree).is_none_or(|built| built == release)
}

/// The release that a tree was last built as.
pub(super) fn built_release(tree: &Path) -> Option<String> {
    let path: PathBuf = tree.join("include/config/kernel.release");
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(4096)
        .read_to_string(&mut text)
        .ok()?;
    Some(text.trim().to_owned())
}

fn is_newer(path: &Path, image: &KernelImage) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|m| (m.mtime(), m.mtime_nsec()) > image.id.mtime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_line_is_understood() {
        let text = "#\n# Linux/x86 6.1 Kernel Configuration\nCONFIG_A=y\nCONFIG_B=m\r\n# CONFIG_C is not set\n\
                    CONFIG_D=n\nCONFIG_E=\"a \\\"quoted\\\" \\\\ word\"\nCONFIG_F=0x1000\nCONFIG_G=\"\"\n\
                    CONFIG_BAD-NAME=y\nCONFIG_=y\nCONFIG_H\n # CONFIG_A is not set\nCONFIG_A2=y\nCONFIG_A2=m\n";
        let config = KernelConfig::parse(text, "test").unwrap();
        let value = |text: &str| Setting::Value(text.into());
        for (symbol, want) in [
            ("A", Setting::Yes),
            ("B", Setting::Module),
            ("C", Setting::No),
            ("D", Setting::No),
            ("E", value("a \"quoted\" \\ word")),
            ("F", value("0x1000")),
            ("G", value("")),
            ("H", Setting::No),
            ("BAD-NAME", Setting::No),
            ("A2", Setting::Module),
        ] {
            assert_eq!(*config.get(symbol), want, "{symbol}");
        }
        assert!(config.is_on("A") && config.is_on("B"));
        assert!(!config.is_on("C") && !config.is_on("F") && !config.is_on("NOWHERE"));
        assert_eq!(config.origin(), "test");
    }

    #[test]
    fn a_text_that_sets_nothing_is_no_configuration() {
        for text in ["", "hello\n", "# CONFIG is not set\n", "CONFIG_\n"] {
            assert!(KernelConfig::parse(text, "test").is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(CONFIG_|# | is not set|[A-Z=\"\\\\\n]|\\PC){0,60}") {
            let _ = KernelConfig::parse(&text, "test");
        }
    }
}

#[cfg(test)]
#[path = "config/find_tests.rs"]
mod find_tests;
