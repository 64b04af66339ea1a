//! One level of nesting: a run of documents whose results are siblings.
//!
//! A subtest's block comes before its parent's result line, so what a closed level leaves waits in the level around it
//! (`pending`) for the next result there.

use super::{
    document::Point,
    keep::{Keep, MAX_RESULTS, Tail, head},
    line::{Described, RawResult, describe},
    problem::{number_problems, results, shown},
};
use crate::Outcome;
use std::collections::HashSet;

#[derive(Default)]
pub(super) struct Level {
    /// Where its lines begin.
    pub column: usize,
    /// From `# Subtest:`.
    pub name: Option<String>,
    /// From a `# Subtest:` that stands on this level and announces the level below, as in TAP 14.
    pub announced: Option<String>,
    pub results: Vec<Point>,
    pub problems: Vec<String>,
    /// The sum of the plans of its documents so far.
    pub plan: Option<u64>,
    pub skip_all: Option<String>,
    /// Whether the kernel crashed since the last result here, and nothing came since then.
    pub crashed: bool,
    /// Output since the last result.
    diagnostics: Tail,
    pending: Pending,
    document: Current,
    documents: u64,
}

/// What closed levels below have left for the next result.
#[derive(Default)]
struct Pending {
    children: Vec<Point>,
    problems: Vec<String>,
    name: Option<String>,
    /// Whether a version, plan or name said that this is a block of results, not output that looks like some.
    is_block: bool,
    /// Whether the kernel crashed in it.
    crashed: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.problems.is_empty() && self.name.is_none()
    }
}

/// The document being read on a level.
#[derive(Default)]
struct Current {
    version: bool,
    plan: Option<u64>,
    /// How many results had come when the plan came.
    plan_at: u64,
    /// Whether nothing has come since the plan.
    only_header: bool,
    /// The plan of a header that was followed by another version line at once.
    repeated_plan: Option<u64>,
    count: u64,
    /// How many parents stand in for results that never came.
    adopted: u64,
    /// The numbers of the results, where all were kept.
    numbers: Option<Vec<u64>>,
    /// Whether the last result skips in place of a description: kselftest.h's way to end a program early.
    ended_by_skip: bool,
    /// How many good results the program's own sums count.
    totals: Option<u64>,
}

impl Current {
    fn is_empty(&self) -> bool {
        !self.version && self.plan.is_none() && self.count == 0
    }
}

impl Level {
    pub fn new(column: usize, name: Option<String>) -> Self {
        Self {
            column,
            name,
            ..Self::default()
        }
    }

    /// Whether no version, plan or result has come.
    pub fn is_empty(&self) -> bool {
        self.documents == 0 && self.document.is_empty()
    }

    /// Whether a version has come and nothing else, so that `# Subtest:` names this level.
    pub fn only_version(&self) -> bool {
        self.documents == 0 && self.document.count == 0 && self.document.plan.is_none()
    }

    /// Whether this is the number of the next result, in a document that has begun.
    pub fn expects(&self, number: u64) -> bool {
        !self.is_empty() && self.expects_after(self.document.count, number)
    }

    /// Whether `number` follows `last`, and the plan does not exclude it.
    pub fn expects_after(&self, last: u64, number: u64) -> bool {
        last.checked_add(1) == Some(number) && self.document.plan.is_none_or(|plan| number <= plan)
    }

    /// Whether nothing at all was found here or below.
    pub fn is_untouched(&self) -> bool {
        self.is_empty() && self.results.is_empty() && self.pending.is_empty()
    }

    pub fn has_results(&self) -> bool {
        self.document.count > 0
    }

    pub fn text(&mut self, text: &str) {
        self.document.only_header = false;
        self.document.totals = good_in_totals(text).or(self.document.totals);
        self.diagnostics.line(text);
    }

    /// Adds a line of a YAML block, which follows its result.
    pub fn yaml(&mut self, text: &str, keep: &mut Keep) {
        if let Some(last) = self.results.last_mut()
            && last.outcome != Outcome::Pass
        {
            if !last.diagnostics.is_empty() {
                keep.text(&mut last.diagnostics, "\n");
            }
            keep.text(&mut last.diagnostics, text);
        }
    }

    pub fn version(&mut self, keep: &mut Keep) {
        let header = &self.document;
        // A program that forks with its header still in the buffer of stdout prints it twice.
        let repeated_plan = header
            .plan
            .filter(|&plan| header.only_header && header.count == 0 && plan > 0);
        if repeated_plan.is_some() {
            self.document = Current {
                repeated_plan,
                ..Current::default()
            };
        } else {
            self.end_document(keep);
        }
        self.document.version = true;
    }

    pub fn plan(&mut self, count: u64, skip: Option<&str>, keep: &mut Keep) {
        let header = &mut self.document;
        if header.repeated_plan == Some(count) {
            header.repeated_plan = None;
        }
        if header.plan.is_some() {
            if header.plan == Some(count) && header.only_header {
                return;
            }
            self.end_document(keep);
        }
        self.document.plan = Some(count);
        self.document.plan_at = self.document.count;
        self.document.only_header = true;
        if let Some(reason) = skip {
            self.diagnostics.line(reason);
            self.skip_all
                .get_or_insert_with(|| head(reason, super::MAX_DIAGNOSTICS).into());
        }
    }

    /// Takes a result line, and all that waited for it.
    pub fn result(&mut self, raw: &RawResult, keep: &mut Keep) {
        self.restart(raw.number, keep);
        let Described {
            name,
            outcome,
            surprise,
            reason,
            bare_skip,
        } = describe(raw.ok, raw.rest);

        let pending = std::mem::take(&mut self.pending);
        self.announced = None;
        self.crashed = false;
        let kept = keep.result(outcome, !pending.children.is_empty());
        let current = &mut self.document;
        current.count += 1;
        current.only_header = false;
        current.ended_by_skip = bare_skip;
        if current.count == 1 {
            current.numbers.get_or_insert_default();
        }
        if !kept {
            current.numbers = None;
            self.problems.extend(pending.problems);
            self.diagnostics.clear();
            return;
        }
        if let Some(numbers) = &mut current.numbers {
            numbers.push(raw.number);
        }

        let mut point = Point {
            number: raw.number,
            name: keep.name(&name),
            outcome,
            reason: String::new(),
            diagnostics: String::new(),
            children: pending.children,
        };
        keep.text(&mut point.reason, surprise);
        if !surprise.is_empty() && !reason.is_empty() {
            keep.text(&mut point.reason, " ");
        }
        keep.text(&mut point.reason, reason);
        self.add(point, pending.problems, keep);
    }

    /// Begins another document where a result numbered 1 shows that one program ended and another began.
    fn restart(&mut self, number: u64, keep: &mut Keep) {
        let Current {
            plan,
            plan_at,
            count,
            ..
        } = self.document;
        if number != 1 || count == 0 {
            return;
        }
        // A plan just before number 1 that does not fit what came before it is the new document's.
        let next = plan.filter(|&plan| plan_at == count && plan != count);
        if next.is_some() {
            self.document.plan = None;
        }
        if next.is_some() || plan.is_none_or(|plan| plan == count) {
            // What waits belongs to the result that brought us here.
            self.check_document(keep);
            self.document.plan = next;
        }
    }

    /// Adds a point with its diagnostics, and says where it contradicts its children.
    fn add(&mut self, mut point: Point, problems: Vec<String>, keep: &mut Keep) {
        let diagnostics = self.diagnostics.take();
        if point.outcome != Outcome::Pass {
            keep.text(&mut point.diagnostics, &diagnostics);
        }
        let name = shown(&point.name, point.number);
        self.problems
            .extend(problems.into_iter().map(|p| format!("in {name}: {p}")));
        let bad = point.children.iter().find(|c| !c.outcome.is_good());
        match (point.outcome, bad) {
            (Outcome::Pass | Outcome::Skip, Some(child)) => {
                let (child, child_outcome) = (shown(&child.name, child.number), child.outcome);
                let problem = format!(
                    "{name} is a {}, but {child} in it is a {}",
                    point.outcome, child_outcome
                );
                keep.problem(&mut self.problems, problem);
            }
            (outcome, None) if !outcome.is_good() && !point.children.is_empty() => {
                let count = results(point.children.len() as u64);
                let problem = format!("{name} is a {outcome}, but nothing in it is bad ({count})");
                keep.problem(&mut self.problems, problem);
            }
            _ => {}
        }
        self.results.push(point);
    }

    /// Takes what a level below has left. `ending`: no result of this level can follow.
    pub fn close(&mut self, mut below: Self, ending: bool, keep: &mut Keep) {
        // A plan alone, prefixed by `# `, is how mm/run_vmtests.sh ends: it is the plan of this level.
        let current = &mut self.document;
        if ending
            && below.documents == 0
            && !below.document.version
            && !below.has_results()
            && below.pending.children.is_empty()
            && below.name.is_none()
            && current.plan.is_none()
            && current.count > 0
        {
            current.plan = below.document.plan;
            current.plan_at = current.count;
            return;
        }
        let is_block =
            below.name.is_some() || below.document.version || below.document.plan.is_some();
        self.pending.crashed |= below.crashed || below.pending.crashed;
        below.end_document(keep);
        self.pending.is_block |= is_block || below.documents > 1;
        self.pending.children.append(&mut below.results);
        self.pending.problems.append(&mut below.problems);
        if below.name.is_some() {
            self.pending.name = below.name;
        }
        self.diagnostics.append(below.diagnostics);
    }

    /// Makes a parent for results whose parent's own line can no longer come.
    pub fn adopt_orphans(&mut self, keep: &mut Keep) {
        self.announced = None;
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return;
        }
        let bad = pending.children.iter().any(|c| !c.outcome.is_good());
        let outcome = if pending.crashed {
            Outcome::KernelCrash
        } else if keep.fill.is_some() && pending.name.is_some() {
            Outcome::NotRun
        } else if bad || pending.name.is_some() {
            Outcome::Fail
        } else {
            Outcome::Pass
        };
        let number = self.document.count.saturating_add(1);
        let name = pending.name.unwrap_or_default();
        if pending.is_block {
            let problem = format!("{} has no result line of its own", shown(&name, number));
            keep.problem(&mut self.problems, problem);
        }
        let is_parent = !pending.children.is_empty();
        if (name.is_empty() && !is_parent) || !keep.result(outcome, is_parent) {
            self.problems.extend(pending.problems);
            return;
        }
        let mut point = Point {
            number,
            name: keep.name(&name),
            outcome,
            reason: String::new(),
            diagnostics: String::new(),
            children: pending.children,
        };
        if keep.fill.is_some() {
            say_why(&mut point, keep);
            self.document.adopted += 1;
            if self.document.count == 0 {
                self.document.numbers.get_or_insert_default();
            }
            if let Some(numbers) = &mut self.document.numbers {
                numbers.push(number);
            }
            // The machine did not get further here. In the outermost document one test is to blame, and it is this one.
            self.crashed = pending.crashed && self.column > 0;
        }
        self.add(point, pending.problems, keep);
    }

    /// Ends the current document, if there is one.
    pub fn end_document(&mut self, keep: &mut Keep) {
        self.adopt_orphans(keep);
        self.check_document(keep);
    }

    /// Adds the results that never came: `missing` of the first `plan`, of which those with `numbers` came.
    fn fill(&mut self, plan: u64, missing: u64, numbers: Option<&[u64]>, keep: &mut Keep) {
        // A plan beyond all bounds is a number that somebody made up.
        let missing = missing.min(MAX_RESULTS as u64);
        let came: HashSet<u64> = numbers.unwrap_or_default().iter().copied().collect();
        let free = (1..=plan).filter(|number| !came.contains(number));
        let mut left = missing;
        for number in free.take(usize::try_from(missing).unwrap_or(MAX_RESULTS)) {
            // Of the outermost document's tests one ran when the kernel crashed.
            let outcome = match self.crashed && (self.column > 0 || left == missing) {
                true => Outcome::KernelCrash,
                false => Outcome::NotRun,
            };
            if !keep.missing() {
                keep.uncounted(outcome, left);
                return;
            }
            left -= 1;
            let mut point = Point {
                number,
                name: String::new(),
                outcome,
                reason: String::new(),
                diagnostics: String::new(),
                children: Vec::new(),
            };
            say_why(&mut point, keep);
            self.results.push(point);
        }
    }

    /// Checks the sums of the current document and forgets it.
    fn check_document(&mut self, keep: &mut Keep) {
        let document = std::mem::take(&mut self.document);
        if document.is_empty() {
            return;
        }
        self.documents += 1;
        let prefix = match self.documents {
            1 => String::new(),
            n => format!("in document {n}: "),
        };
        if let Some(plan) = document.repeated_plan {
            self.plan = Some(self.plan.unwrap_or(0).saturating_add(plan));
            let problem = format!("{prefix}the plan says {}, 0 came", results(plan));
            keep.problem(&mut self.problems, problem);
        }
        let count = document.count;
        if let Some(plan) = document.plan {
            self.plan = Some(self.plan.unwrap_or(0).saturating_add(plan));
            // A program that only counts its results, with kselftest.h's counters, prints none of them.
            let only_counted = count == 0 && document.totals == Some(plan);
            if plan != count && !only_counted && !(document.ended_by_skip && count < plan) {
                let problem = format!("{prefix}the plan says {}, {count} came", results(plan));
                keep.problem(&mut self.problems, problem);
                let came = count.saturating_add(document.adopted);
                if keep.fill.is_some() && plan > came {
                    self.fill(plan, plan - came, document.numbers.as_deref(), keep);
                }
            }
        }
        for problem in number_problems(document.numbers.unwrap_or_default()) {
            keep.problem(&mut self.problems, format!("{prefix}{problem}"));
        }
    }
}

/// Says of a result that never came what is known.
fn say_why(point: &mut Point, keep: &mut Keep) {
    let crash = std::mem::take(&mut keep.crash);
    let text = match point.outcome {
        Outcome::KernelCrash if !crash.is_empty() => crash.as_str(),
        Outcome::NotRun | Outcome::KernelCrash => "its result never came",
        _ => "",
    };
    keep.text(&mut point.reason, text);
    keep.crash = crash;
}

/// How many results kselftest.h's `# Totals: pass:3 fail:0 xfail:0 xpass:0 skip:0 error:0` counts as good.
fn good_in_totals(text: &str) -> Option<u64> {
    let mut good = 0u64;
    for count in text.strip_prefix("Totals: ")?.split(' ') {
        let (name, count) = count.split_once(':')?;
        let count: u64 = count.parse().ok()?;
        if matches!(name, "pass" | "xfail" | "skip") {
            good = good.saturating_add(count);
        }
    }
    Some(good)
}
