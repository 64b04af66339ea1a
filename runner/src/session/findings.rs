//! What a stretch of the kernel log shows.

use splats::{Class, Scanner, Severity, Splat};
use std::collections::HashSet;

/// Splats of one stretch that are all kept; a kernel that warns in a loop says the same every time.
const MAX_SPLATS: usize = 100;

/// Most splats kept, those beyond [`MAX_SPLATS`] being of further fingerprints only.
const MAX_DISTINCT: usize = 1000;

/// What a stretch of the kernel log shows, and whether it is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The splats, by their first lines.
    pub splats: Vec<Splat>,
    /// Splats like those kept, and only counted.
    pub repeated: u64,
    /// Splats unlike those kept for which there was no room.
    pub crowded_out: u64,
    /// Records that the kernel overwrote before they could be read.
    pub lost: u64,
    fingerprints: HashSet<String>,
}

impl Findings {
    /// Adds splats that came after the others.
    pub fn add(&mut self, splats: impl IntoIterator<Item = Splat>) {
        for splat in splats {
            let is_new = !self.fingerprints.contains(&splat.fingerprint);
            let kept = self.splats.len();
            if kept < MAX_SPLATS || (is_new && kept < MAX_DISTINCT) {
                self.fingerprints.insert(splat.fingerprint.clone());
                self.splats.push(splat);
            } else if is_new {
                self.crowded_out += 1;
            } else {
                self.repeated += 1;
            }
        }
    }

    /// The same at the end of what a scanner reads.
    pub fn ended(mut self, scanner: Scanner) -> Self {
        self.add(scanner.finish());
        self.splats.sort_by_key(|splat| splat.first_line);
        self
    }

    /// The words by which the kernel gave up, and what it had reported before that.
    pub fn panic(&self) -> Option<String> {
        let splat = self
            .splats
            .iter()
            .find(|splat| splat.severity == Severity::Fatal)?;
        Some(match (&splat.panic, splat.class) {
            (Some(reason), _) => format!(
                "Kernel panic - not syncing: {reason}\nbefore it the kernel reported: {}",
                splat.title
            ),
            (None, Class::Panic | Class::StackProtector) => {
                splat.message.clone().unwrap_or_else(|| splat.title.clone())
            }
            (None, _) => splat.title.clone(),
        })
    }

    /// The title of the first bug that the kernel reported.
    pub fn error(&self) -> Option<&str> {
        let bug = self
            .splats
            .iter()
            .find(|splat| splat.severity >= Severity::Error);
        bug.map(|splat| splat.title.as_str())
    }

    /// Whether nothing was found that explains the end of a machine.
    pub fn is_wordless(&self) -> bool {
        self.error().is_none()
    }

    /// Adds what was found in the stretch behind it.
    pub fn append(&mut self, other: Self) {
        self.add(other.splats);
        self.repeated += other.repeated;
        self.crowded_out += other.crowded_out;
        self.lost = self.lost.saturating_add(other.lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use splats::Line;

    fn warning(function: &str) -> Vec<Splat> {
        let mut scanner = Scanner::new();
        scanner.push(Line {
            usec: None,
            caller: None,
            text: &format!("WARNING: CPU: 0 PID: 1 at mm/file.c:12 {function}+0x1/0x10"),
        });
        scanner.finish()
    }

    #[test]
    fn a_flood_of_one_splat_does_not_hide_another() {
        let mut findings = Findings::default();
        for _ in 0..5000 {
            findings.add(warning("noise"));
        }
        findings.add(warning("signal"));
        assert_eq!(findings.splats.len(), MAX_SPLATS + 1);
        assert_eq!(findings.repeated, 4900);
        assert_eq!(
            findings.splats.last().map(|s| s.title.as_str()),
            Some("WARNING in signal (mm/file.c:12)")
        );
        for n in 0..2000 {
            findings.add(warning(&format!("function_{n}")));
        }
        assert_eq!(findings.splats.len(), MAX_DISTINCT);
        assert_eq!(
            findings.crowded_out,
            2000 - (MAX_DISTINCT - MAX_SPLATS - 1) as u64
        );
    }
}
