//! Results without nesting, as the output of programs that print no KTAP gives them.

use super::{Document, MAX_RESULTS, Point, document::name_apart};
use crate::Outcome;
use std::collections::BTreeMap;

/// A list of results, at most [`MAX_RESULTS`] with `MAX_TEXT` bytes of text; the others are only counted.
#[derive(Debug, Default)]
pub(crate) struct Points<const MAX_TEXT: usize> {
    /// In the order in which they came.
    pub list: Vec<Point>,
    overflow: BTreeMap<Outcome, u64>,
    text: usize,
}

impl<const MAX_TEXT: usize> Points<MAX_TEXT> {
    /// Adds a result that has `text` bytes of text. Whether there was room.
    pub fn add(&mut self, name: String, outcome: Outcome, reason: String, text: usize) -> bool {
        if self.list.len() >= MAX_RESULTS || !self.take(text) {
            *self.overflow.entry(outcome).or_default() += 1;
            return false;
        }
        self.list.push(Point {
            number: self.list.len() as u64 + 1,
            name,
            outcome,
            reason,
            diagnostics: String::new(),
            children: Vec::new(),
        });
        true
    }

    /// Takes room for so many bytes, if it is there.
    pub fn take(&mut self, text: usize) -> bool {
        let fits = self.text + text <= MAX_TEXT;
        self.text += if fits { text } else { 0 };
        fits
    }

    /// How many came out so, those that are only counted included.
    pub fn count(&self, outcome: Outcome) -> u64 {
        let listed = self.list.iter().filter(|point| point.outcome == outcome);
        listed.count() as u64 + self.overflow.get(&outcome).copied().unwrap_or(0)
    }

    /// All of them. `is_ktap`: whether the output has results at all.
    pub fn finish(mut self, is_ktap: bool) -> Document {
        name_apart(&mut self.list);
        Document {
            is_ktap,
            results: self.list,
            overflow: self.overflow,
            ..Document::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_counted() {
        let mut points = Points::<8>::default();
        assert!(points.add("a".into(), Outcome::Pass, "why".into(), 4));
        assert!(!points.add("b".into(), Outcome::Pass, "longer".into(), 7));
        assert!(points.add("a".into(), Outcome::Fail, String::new(), 1));
        assert!(points.take(3) && !points.take(1));
        assert_eq!(points.count(Outcome::Pass), 2);
        let document = points.finish(true);
        assert_eq!(document.results[1].name, "a #2");
        assert_eq!(document.overflow[&Outcome::Pass], 1);
    }
}
