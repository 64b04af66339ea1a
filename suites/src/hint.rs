//! What to say to who asks for a test that is not there.

use crate::{
    SelectError, Spec, Test,
    filter::describe,
    select::text_of,
    smoke,
    spec::{KSELFTEST, Wanted},
    suite::{CARGO, KUNIT},
};

/// Why a spec matches none of `all`, the tests of its suite.
pub(crate) fn nothing(spec: &Spec, all: &[Test]) -> SelectError {
    let (group, case) = match &spec.wanted {
        Wanted::Named { group, case, .. } => (group.as_ref(), case.as_ref()),
        Wanted::Manifest { case, .. } => (None, case.as_ref()),
        Wanted::Exec { .. } => (None, None),
    };
    if spec.suite() == KUNIT {
        // Its suites are tests of ours.
        let name = |test: &'_ Test| test.id.group.clone().unwrap_or(test.id.case.clone());
        let names: Vec<String> = all.iter().map(name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return SelectError::NothingMatched {
            spec: spec.to_string(),
            hint: describe("suites", text_of(group), &names),
        };
    }
    let of_group = |test: &&Test| {
        let name = test.id.group.as_deref().unwrap_or("");
        group.is_none_or(|group| group.matches(name))
    };
    let cases: Vec<&str> = all.iter().filter(of_group).map(|t| &*t.id.case).collect();
    let hint = if cases.is_empty() && group.is_some() {
        let mut groups: Vec<&str> = all.iter().filter_map(|t| t.id.group.as_deref()).collect();
        groups.dedup();
        describe(groups_of(spec.suite()), text_of(group), &groups)
    } else {
        let kind = match spec.suite() {
            smoke::SUITE => "checks",
            KSELFTEST if cases.is_empty() => groups_of(KSELFTEST),
            _ => "tests",
        };
        describe(kind, text_of(case), &cases)
    };
    SelectError::NothingMatched {
        spec: spec.to_string(),
        hint,
    }
}

/// What the groups of a suite are called.
fn groups_of(suite: &str) -> &'static str {
    match suite {
        KSELFTEST => "collections with tests for this machine",
        CARGO => "packages",
        _ => "groups",
    }
}
