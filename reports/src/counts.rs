//! How many came out which way.

use serde::{Serialize, Serializer};
use suites::Outcome;

/// A number for each outcome. In JSON an object with every outcome's name, zeros included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; Outcome::ALL.len()]);

impl Counts {
    /// One more with this outcome.
    pub fn add(&mut self, outcome: Outcome) {
        self.add_many(outcome, 1);
    }

    /// `n` more with this outcome.
    pub fn add_many(&mut self, outcome: Outcome, n: u64) {
        self.0[Self::index(outcome)] += n;
    }

    /// How many had this outcome.
    #[must_use]
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0[Self::index(outcome)]
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many had an outcome that means something is wrong.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.total_of(|outcome| !outcome.is_good())
    }

    /// How many had an outcome that `wanted` accepts.
    pub fn total_of(&self, wanted: impl Fn(Outcome) -> bool) -> u64 {
        self.iter()
            .filter(|(outcome, _)| wanted(*outcome))
            .map(|(_, n)| n)
            .sum()
    }

    /// Every outcome with its number, in the order of [`Outcome::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().zip(self.0)
    }

    fn index(outcome: Outcome) -> usize {
        Outcome::ALL
            .iter()
            .position(|other| *other == outcome)
            .expect("Outcome::ALL has every outcome")
    }
}

impl FromIterator<Outcome> for Counts {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            counts.add(outcome);
        }
        counts
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(outcome, n)| (outcome.as_str(), n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_apart() {
        let counts: Counts = Outcome::ALL
            .into_iter()
            .chain([Outcome::Hang, Outcome::Pass])
            .collect();
        assert_eq!(counts.total(), 13);
        assert_eq!(counts.get(Outcome::Hang), 2);
        assert_eq!(counts.get(Outcome::NotRun), 1);
        assert_eq!(counts.bad(), 9);
    }

    #[test]
    fn json_names_every_outcome() {
        let json = serde_json::to_value(Counts::default()).expect("a map");
        for outcome in Outcome::ALL {
            assert_eq!(json[outcome.as_str()], 0, "{outcome}");
        }
    }
}
