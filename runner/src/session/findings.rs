//! What a stretch of the kernel log shows.

use splats::{Class, Scanner, Severity, Splat};

/// Most splats of one test that are kept whole; a kernel that warns in a loop says the same every time.
const MAX_SPLATS: usize = 100;

/// What a stretch of the kernel log shows, and whether it is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The splats, by their first lines.
    pub splats: Vec<Splat>,
    /// Splats beyond those kept.
    pub left_out: u64,
    /// Records that the kernel overwrote before they could be read.
    pub lost: u64,
}

impl Findings {
    /// What a scanner found in a stretch in which so many records were lost.
    pub fn of(mut scanner: Scanner, lost: u64) -> Self {
        let left_out = scanner.end();
        let mut splats = scanner.finish();
        let over = splats.len().saturating_sub(MAX_SPLATS);
        splats.truncate(MAX_SPLATS);
        Self {
            splats,
            left_out: left_out + over as u64,
            lost,
        }
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

    /// Adds what was found after it.
    pub fn append(&mut self, other: Self) {
        let room = MAX_SPLATS.saturating_sub(self.splats.len());
        self.left_out += other.left_out + other.splats.len().saturating_sub(room) as u64;
        self.splats.extend(other.splats.into_iter().take(room));
        self.lost += other.lost;
    }
}
