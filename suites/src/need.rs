//! What a test says it needs, so that it is skipped with a reason where that is missing.

use serde::{Deserialize, Deserializer, de};
use std::{fmt, str::FromStr};

/// Something that a kernel or a root has or has not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// `root`: the rights of root, which every test has.
    Root,
    /// `config:CONFIG_X`: an option of the kernel, `y` or `m`; the name without `CONFIG_`.
    Config(String),
    /// `program:NAME`: a program in a directory of the test's `PATH`, or an absolute path.
    Program(String),
    /// `module:NAME`: a module that is built in or in the root's `/lib/modules`. It is loaded before the test.
    Module(String),
    /// `network-namespace`: `CONFIG_NET_NS`.
    NetworkNamespace,
    /// `user-namespace`: `CONFIG_USER_NS`.
    UserNamespace,
    /// `hugepages`: `CONFIG_HUGETLBFS`. The test reserves the pages itself.
    Hugepages,
}

/// A need that there is no such thing as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no need: there are root, network-namespace, user-namespace, hugepages, config:CONFIG_NAME, program:NAME, \
     module:NAME"
)]
pub struct NeedError(pub String);

/// Programs that tests often need, with Debian's packages of them.
const PACKAGES: [(&str, &str); 20] = [
    ("bpftool", "bpftool"),
    ("bpftrace", "bpftrace"),
    ("cryptsetup", "cryptsetup-bin"),
    ("dmsetup", "dmsetup"),
    ("ethtool", "ethtool"),
    ("fio", "fio"),
    ("ip", "iproute2"),
    ("iperf3", "iperf3"),
    ("jq", "jq"),
    ("make", "make"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("mkfs.xfs", "xfsprogs"),
    ("modprobe", "kmod"),
    ("nft", "nftables"),
    ("nvme", "nvme-cli"),
    ("perf", "linux-perf"),
    ("python3", "python3"),
    ("stress-ng", "stress-ng"),
    ("tc", "iproute2"),
    ("trace-cmd", "trace-cmd"),
];

/// Debian's package of a program, for the common ones.
#[must_use]
pub fn package_of(program: &str) -> Option<&'static str> {
    let found = PACKAGES.iter().find(|(name, _)| *name == program);
    found.map(|(_, package)| *package)
}

impl Need {
    /// The option of the kernel that it comes down to, without `CONFIG_`.
    #[must_use]
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Self::Config(symbol) => Some(symbol),
            Self::NetworkNamespace => Some("NET_NS"),
            Self::UserNamespace => Some("USER_NS"),
            Self::Hugepages => Some("HUGETLBFS"),
            Self::Root | Self::Program(_) | Self::Module(_) => None,
        }
    }
}

impl FromStr for Need {
    type Err = NeedError;

    fn from_str(text: &str) -> Result<Self, NeedError> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match text.split_once(':') {
            None => match text {
                "root" => Some(Self::Root),
                "network-namespace" => Some(Self::NetworkNamespace),
                "user-namespace" => Some(Self::UserNamespace),
                "hugepages" => Some(Self::Hugepages),
                _ => None,
            },
            Some(("config", name)) => {
                let symbol = name.strip_prefix("CONFIG_").unwrap_or(name);
                (!symbol.is_empty() && symbol.chars().all(word))
                    .then(|| Self::Config(symbol.into()))
            }
            Some(("program", name)) => {
                let sound = !name.is_empty() && !name.chars().any(char::is_control);
                sound.then(|| Self::Program(name.into()))
            }
            Some(("module", name)) => {
                let sound = !name.is_empty() && name.chars().all(|c| word(c) || c == '-');
                sound.then(|| Self::Module(name.into()))
            }
            Some(_) => None,
        }
        .ok_or_else(|| NeedError(text.into()))
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Config(symbol) => write!(f, "config:CONFIG_{symbol}"),
            Self::Program(name) => write!(f, "program:{name}"),
            Self::Module(name) => write!(f, "module:{name}"),
            Self::NetworkNamespace => f.write_str("network-namespace"),
            Self::UserNamespace => f.write_str("user-namespace"),
            Self::Hugepages => f.write_str("hugepages"),
        }
    }
}

impl<'de> Deserialize<'de> for Need {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_reads_back_as_it_is_written() {
        for text in [
            "root",
            "network-namespace",
            "user-namespace",
            "hugepages",
            "config:CONFIG_NET_NS",
            "program:ip",
            "program:/usr/bin/a b",
            "module:loop",
        ] {
            let need: Need = text.parse().expect("a need");
            assert_eq!(need.to_string(), text);
        }
        assert_eq!("config:SMP".parse(), Ok(Need::Config("SMP".into())));
    }

    #[test]
    fn a_need_that_is_none_is_told_from_those_there_are() {
        for text in [
            "",
            "rot",
            "config:",
            "config:CONFIG_",
            "config:A=y",
            "program:",
            "module:a b",
            "x:y",
        ] {
            let error = text.parse::<Need>().expect_err(text).to_string();
            assert!(error.contains("config:CONFIG_NAME"), "{error}");
        }
    }
}
