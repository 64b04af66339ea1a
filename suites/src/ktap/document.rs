//! What was read from a program's output.

use crate::Outcome;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A program's output, read as KTAP or TAP.
///
/// A judge finds a failure in any of: a leaf whose outcome is not good, [`Document::bail_out`], [`Document::problems`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Whether the output is KTAP or TAP at all. When it is not, everything else here is empty.
    pub is_ktap: bool,
    /// How many top-level results were announced; the sum where several documents came one after another.
    pub plan: Option<u64>,
    /// The reason of `1..0 # SKIP reason`, possibly empty, where no result came at all.
    pub skip_all: Option<String>,
    /// The reason of the first `Bail out!`, possibly empty, on whichever level it came.
    pub bail_out: Option<String>,
    /// The top-level results in the order in which they came.
    pub results: Vec<Point>,
    /// What does not add up, as sentences; at most [`super::MAX_PROBLEMS`], and one that counts the others.
    pub problems: Vec<String>,
    /// Results past the first [`super::MAX_RESULTS`], which are only counted.
    pub overflow: BTreeMap<Outcome, u64>,
}

/// One result line, with the results nested below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its number as the program gave it; for a parent whose own result line never came, the number that was due.
    pub number: u64,
    /// Its name: unique among its siblings (the second `name` is `name #2`) and never empty (`test 3`).
    pub name: String,
    /// How it came out, by its own result line.
    pub outcome: Outcome,
    /// What follows `#` on its result line, without the directive.
    pub reason: String,
    /// The output before its result line, and the YAML block after it; the last [`super::MAX_DIAGNOSTICS`] bytes, and
    /// nothing at all for a pass.
    pub diagnostics: String,
    /// Its subtests.
    pub children: Vec<Point>,
}

impl Document {
    /// The results without children, each with the names that lead to it; the last of those is its own.
    pub fn leaves(&self) -> impl Iterator<Item = (Vec<&str>, &Point)> {
        let mut open = vec![self.results.iter()];
        let mut path: Vec<&str> = Vec::new();
        std::iter::from_fn(move || {
            loop {
                let Some(point) = open.last_mut()?.next() else {
                    open.pop();
                    path.pop();
                    continue;
                };
                path.push(&point.name);
                if point.children.is_empty() {
                    let full = path.clone();
                    path.pop();
                    return Some((full, point));
                }
                open.push(point.children.iter());
            }
        })
    }

    /// How many leaves came out how, those in [`Document::overflow`] included.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Outcome, u64> {
        let mut counts = self.overflow.clone();
        for (_, point) in self.leaves() {
            *counts.entry(point.outcome).or_default() += 1;
        }
        counts
    }
}

/// Gives every point a name that is not empty and that no sibling has.
///
/// The counter per name only ever grows, so this takes time linear in the number of points.
pub(super) fn name_apart(points: &mut [Point]) {
    let mut taken: HashSet<String> = HashSet::with_capacity(points.len());
    let mut next: HashMap<String, u64> = HashMap::new();
    for point in points {
        name_apart(&mut point.children);
        if point.name.is_empty() {
            point.name = format!("test {}", point.number);
        }
        if taken.contains(&point.name) {
            let number = next.entry(point.name.clone()).or_insert(2);
            let name = loop {
                let name = format!("{} #{number}", point.name);
                *number += 1;
                if !taken.contains(&name) {
                    break name;
                }
            };
            point.name = name;
        }
        taken.insert(point.name.clone());
    }
}
