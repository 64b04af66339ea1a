//! Ranges of kernel releases: `6.1..6.6`.

use serde::{Deserialize, Deserializer, de};
use std::{cmp::Ordering, str::FromStr};

/// Releases from one to another, both included: `6.1..6.6`, `6.1..`, `..6.6`, `6.6`.
///
/// A bound says as much as it has numbers: `6.6` as the end includes every 6.6.N. Of a release everything up to the first
/// character that belongs to no number counts: `6.1.0-56-amd64` is 6.1.0, `6.7-rc3` is 6.7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelRange {
    from: Option<Vec<u32>>,
    to: Option<Vec<u32>>,
}

/// A text that is no range of releases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no range of kernel releases: the forms are 6.1..6.6, 6.1.., ..6.6 and 6.6")]
pub struct RangeError(pub String);

impl KernelRange {
    /// Whether a kernel of that release (`uname -r`) is in it. One whose release begins with no number never is.
    #[must_use]
    pub fn contains(&self, release: &str) -> bool {
        let end = release
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(release.len());
        let numbers: Vec<u32> = release[..end]
            .split('.')
            .map_while(|n| n.parse().ok())
            .collect();
        let order = |bound: &[u32]| {
            let pairs = bound.iter().enumerate();
            pairs
                .map(|(i, wanted)| numbers.get(i).copied().unwrap_or(0).cmp(wanted))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        !numbers.is_empty()
            && self.from.as_ref().is_none_or(|from| order(from).is_ge())
            && self.to.as_ref().is_none_or(|to| order(to).is_le())
    }
}

impl FromStr for KernelRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let error = || RangeError(text.into());
        let bound = |text: &str| -> Result<Option<Vec<u32>>, RangeError> {
            if text.is_empty() {
                return Ok(None);
            }
            let numbers = text.split('.').map(|n| n.parse().map_err(|_| error()));
            numbers.collect::<Result<_, _>>().map(Some)
        };
        let text = text.trim();
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (bound(from.trim())?, bound(to.trim())?),
            None => (bound(text)?, bound(text)?),
        };
        let empty =
            matches!((&from, &to), (Some(from), Some(to)) if from > to && !from.starts_with(to));
        if from.is_none() && to.is_none() || empty {
            return Err(error());
        }
        Ok(Self { from, to })
    }
}

impl<'de> Deserialize<'de> for KernelRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_are_included_and_say_as_much_as_they_have_numbers() {
        for (range, release, expected) in [
            ("6.1..6.6", "6.1.0-56-amd64", true),
            ("6.1..6.6", "6.6.99", true),
            ("6.1..6.6", "6.7.0-rc1", false),
            ("6.1..6.6", "6.0.19", false),
            ("6.1..6.6", "5.19", false),
            ("6.1..", "7.0", true),
            ("6.1..", "6.0.99", false),
            ("..6.6", "4.19.3", true),
            ("..6.6.5", "6.6.6", false),
            ("6.6", "6.6.30+", true),
            ("6.6", "6.60", false),
            ("6.6.3..6.6", "6.6.9", true),
            ("6", "6.12.1-kst", true),
            ("6.7", "6.7-rc3", true),
            ("6.1", "next-20240101", false),
        ] {
            let range: KernelRange = range.parse().expect("a range");
            assert_eq!(range.contains(release), expected, "{range:?} {release}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "..",
            "six",
            "6.",
            "6.6..6.1",
            "6.1-6.6",
            "6.1..x",
            "99999999999",
        ] {
            assert!(text.parse::<KernelRange>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(range in "[0-9.x ]{0,12}", release in "[0-9.a-]{0,12}") {
            if let Ok(range) = range.parse::<KernelRange>() {
                let _ = range.contains(&release);
            }
        }
    }
}
