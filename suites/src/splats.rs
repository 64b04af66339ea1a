//! What a test means the kernel to report, so that it is no failure.

use crate::Pattern;

/// Which splats of the kernel are no failure of a test, and which must come. The default is none and none.
///
/// A pattern is a glob over a splat's class, title or fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SplatPolicy {
    /// May come.
    pub allow: Vec<Pattern>,
    /// Must come: a test in which the kernel reports none that fits has failed.
    pub expect: Vec<Pattern>,
}

impl SplatPolicy {
    /// All splats may come, for a test that makes the kernel report errors in ways that nobody has listed.
    #[must_use]
    pub fn allow_all() -> Self {
        let all = Pattern::new("*").expect("an asterisk is a glob");
        Self {
            allow: vec![all],
            expect: Vec::new(),
        }
    }

    /// Whether a splat of these names (class, title, fingerprint) is no failure.
    #[must_use]
    pub fn allows(&self, names: &[&str]) -> bool {
        matches_any(&self.allow, names) || matches_any(&self.expect, names)
    }

    /// The patterns that none of these splats fits.
    pub fn missing<'p>(&'p self, splats: &'p [[&str; 3]]) -> impl Iterator<Item = &'p Pattern> {
        let expected = self.expect.iter();
        expected.filter(|pattern| !splats.iter().any(|names| fits(pattern, names)))
    }

    /// Whether the kernel is meant to report something.
    #[must_use]
    pub fn is_provoking(&self) -> bool {
        !(self.allow.is_empty() && self.expect.is_empty())
    }
}

/// Whether one of the patterns fits a splat of these names (class, title, fingerprint).
#[must_use]
pub fn matches_any(patterns: &[Pattern], names: &[&str]) -> bool {
    patterns.iter().any(|pattern| fits(pattern, names))
}

fn fits(pattern: &Pattern, names: &[&str]) -> bool {
    names.iter().any(|name| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts
            .iter()
            .map(|text| Pattern::new(text).expect("a glob"))
            .collect()
    }

    #[test]
    fn a_pattern_fits_the_class_the_title_or_the_fingerprint() {
        let names = ["warning", "WARNING in foo (mm/file.c:12)", "0123456789ab"];
        for pattern in [
            "warning",
            "WARNING in foo*",
            "WARNING in foo (mm/file.c:12)",
            "0123456789ab",
            "*",
        ] {
            let policy = SplatPolicy {
                allow: patterns(&[pattern]),
                expect: vec![],
            };
            assert!(policy.allows(&names), "{pattern}");
        }
        let other = SplatPolicy {
            allow: patterns(&["bug", "WARNING in bar*", "WARNING"]),
            expect: vec![],
        };
        assert!(!other.allows(&names));
        assert!(!SplatPolicy::default().allows(&names) && SplatPolicy::allow_all().allows(&names));
    }

    #[test]
    fn what_is_expected_is_allowed_and_missed_when_it_does_not_come() {
        let policy = SplatPolicy {
            allow: vec![],
            expect: patterns(&["warning", "kasan"]),
        };
        let names = ["warning", "WARNING in foo", "0123456789ab"];
        assert!(policy.allows(&names) && policy.is_provoking());
        let splats = [names];
        let missing: Vec<&str> = policy.missing(&splats).map(Pattern::as_str).collect();
        assert_eq!(missing, ["kasan"]);
        assert_eq!(policy.missing(&[]).count(), 2);
        assert!(!SplatPolicy::default().is_provoking());
    }
}
