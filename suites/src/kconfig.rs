//! What tests want of a kernel's configuration: the `config` files of selftests, the needs of manifests.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs::File,
    io::Read as _,
    path::Path,
};

/// Longest `config` file that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// Longest value of an option, in bytes.
const MAX_VALUE: usize = 256;

/// Options of a kernel's configuration, and who wants each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fragment {
    options: BTreeMap<String, Wish>,
}

/// An option that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    /// `y`, `m`, `n`, or any other value as it stands in a `.config`.
    value: String,
    /// Who wants it, and what for, in the order they came.
    by: Vec<String>,
    /// Who wants another value, with that value.
    otherwise: Vec<(String, String)>,
}

impl Fragment {
    /// Adds an option, named without `CONFIG_`. A `y` prevails over an `m`, else the first value that was wanted.
    pub fn want(&mut self, symbol: &str, value: &str, by: &str) {
        let new = || Wish {
            value: value.into(),
            by: Vec::new(),
            otherwise: Vec::new(),
        };
        let option = self.options.entry(symbol.into()).or_insert_with(new);
        match (&*option.value, value) {
            (there, wanted) if there == wanted => {}
            // Built in, it is there for who wants a module.
            ("y", "m") => {}
            ("m", "y") => option.value = "y".into(),
            _ => {
                let other = (by.to_owned(), value.to_owned());
                if !option.otherwise.contains(&other) {
                    option.otherwise.push(other);
                }
                return;
            }
        }
        if !option.by.iter().any(|known| known == by) {
            option.by.push(by.into());
        }
    }

    /// Adds what the text of a fragment sets, such as that of a collection's `config`. Other lines say nothing.
    pub fn read(&mut self, text: &str, by: &str) {
        for (symbol, value) in text.lines().filter_map(line) {
            self.want(symbol, value, by);
        }
    }

    /// Adds what the file at `path` sets; a file that is not there or cannot be read wants nothing.
    pub(crate) fn read_file(&mut self, path: &Path, by: &str) {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_CONFIG).read_to_end(&mut bytes));
        if read.is_ok() {
            self.read(&String::from_utf8_lossy(&bytes), by);
        }
    }

    /// Takes an option out.
    pub fn remove(&mut self, symbol: &str) {
        self.options.remove(symbol);
    }

    /// Every option with its value and who wants it.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str, &[String])> {
        self.options
            .iter()
            .map(|(symbol, option)| (&**symbol, &*option.value, &*option.by))
    }

    /// Whether nobody wants anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }
}

/// In the form of a `.config`, as `scripts/kconfig/merge_config.sh` takes it, with who wants what as comments.
impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        let mut options: Vec<_> = self.options.iter().collect();
        options.sort_by_key(|(symbol, option)| (&option.by, *symbol));
        for (symbol, option) in options {
            if last != Some(&option.by) {
                writeln!(f, "\n# {}", option.by.join(", "))?;
                last = Some(&option.by);
            }
            for (by, value) in &option.otherwise {
                writeln!(f, "# {by} wants {}", Line(symbol, value))?;
            }
            writeln!(f, "{}", Line(symbol, &option.value))?;
        }
        Ok(())
    }
}

struct Line<'a>(&'a str, &'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(symbol, "n") => write!(f, "# CONFIG_{symbol} is not set"),
            Self(symbol, value) => {
                write!(f, "CONFIG_{symbol}=")?;
                value
                    .chars()
                    .filter(|c| !c.is_control())
                    .try_for_each(|c| f.write_char(c))
            }
        }
    }
}

/// `CONFIG_NAME=value` or `# CONFIG_NAME is not set`.
fn line(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (symbol, value) = match line.strip_prefix("CONFIG_") {
        Some(rest) => {
            let (symbol, value) = rest.split_once('=')?;
            (symbol.trim_end(), value.trim_start())
        }
        None => {
            let rest = line.strip_prefix('#')?.trim_start();
            let symbol = rest.strip_prefix("CONFIG_")?.strip_suffix(" is not set")?;
            (symbol, "n")
        }
    };
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let sound = !symbol.is_empty()
        && symbol.bytes().all(word)
        && !value.is_empty()
        && value.len() <= MAX_VALUE;
    sound.then_some((symbol, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fragments_are_merged_and_say_who_wants_what() {
        let mut fragment = Fragment::default();
        fragment.read(
            "CONFIG_NET=y\nCONFIG_VETH=m\n# a comment\nCONFIG_HZ=100\nCONFIG_BAD-NAME=y\nCONFIG_NONE=\n",
            "kselftest:net",
        );
        fragment.read(
            "CONFIG_VETH = y\n# CONFIG_DEBUG is not set\nCONFIG_HZ=1000\nCONFIG_NET=m\n",
            "kselftest:tc",
        );
        assert_eq!(
            fragment.to_string(),
            "\n# kselftest:net\n# kselftest:tc wants CONFIG_HZ=1000\nCONFIG_HZ=100\n\
             \n# kselftest:net, kselftest:tc\nCONFIG_NET=y\nCONFIG_VETH=y\n\
             \n# kselftest:tc\n# CONFIG_DEBUG is not set\n"
        );
        let mut again = Fragment::default();
        again.read(&fragment.to_string(), "itself");
        let values = |f: &Fragment| -> Vec<(String, String)> {
            let options = f.options();
            options.map(|(s, v, _)| (s.into(), v.into())).collect()
        };
        assert_eq!(values(&again), values(&fragment));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(CONFIG_|# | is not set|[A-Z=\"\\\\\n]|\\PC){0,60}") {
            let mut fragment = Fragment::default();
            fragment.read(&text, "it");
            let _ = fragment.to_string();
        }
    }
}
