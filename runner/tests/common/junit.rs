//! `junit.xml`, read as a CI system would.

use std::{collections::BTreeMap, path::Path};

/// A `testcase`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub classname: String,
    pub name: String,
    /// `failure`, `error` or `skipped`; none for a pass.
    pub element: Option<String>,
    /// The element's `type`, else `pass`.
    pub outcome: String,
    /// The element's `message`.
    pub message: String,
    pub system_out: String,
    pub system_err: String,
}

/// A whole report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Junit {
    pub cases: Vec<Case>,
}

impl Junit {
    /// Reads and checks a report: well-formed, names unique, the sums of every suite right.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("junit.xml is there and is UTF-8");
        let document = roxmltree::Document::parse(&text)
            .unwrap_or_else(|e| panic!("junit.xml is not well-formed: {e}"));
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "testsuites");
        let mut cases = Vec::new();
        for suite in root.children().filter(roxmltree::Node::is_element) {
            assert_eq!(suite.tag_name().name(), "testsuite");
            let of_suite: Vec<Case> = suite
                .children()
                .filter(|node| node.has_tag_name("testcase"))
                .map(case)
                .collect();
            let with = |element: &str| {
                let has = |case: &&Case| case.element.as_deref() == Some(element);
                of_suite.iter().filter(has).count()
            };
            for (attribute, count) in [
                ("tests", of_suite.len()),
                ("failures", with("failure")),
                ("errors", with("error")),
            ] {
                let said = suite.attribute(attribute).expect("a sum");
                assert_eq!(said, count.to_string(), "{attribute} of a testsuite");
            }
            cases.extend(of_suite);
        }
        for (index, case) in cases.iter().enumerate() {
            let same = |other: &Case| other.classname == case.classname && other.name == case.name;
            assert!(!cases[..index].iter().any(same), "twice: {case:?}");
        }
        Self { cases }
    }

    /// How many cases have each outcome.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for case in &self.cases {
            *counts.entry(case.outcome.clone()).or_default() += 1;
        }
        counts
    }
}

fn case(node: roxmltree::Node<'_, '_>) -> Case {
    let attribute = |name: &str| node.attribute(name).unwrap_or_default().to_owned();
    let text = |name: &str| {
        let child = node.children().find(|child| child.has_tag_name(name));
        child
            .map(|child| {
                child
                    .descendants()
                    .filter(|n| n.is_text())
                    .filter_map(|n| n.text())
                    .collect()
            })
            .unwrap_or_default()
    };
    node.attribute("time")
        .and_then(|time| time.parse::<f64>().ok())
        .expect("every test case has a time");
    let verdict = node
        .children()
        .find(|child| matches!(child.tag_name().name(), "failure" | "error" | "skipped"));
    Case {
        classname: attribute("classname"),
        name: attribute("name"),
        element: verdict.map(|v| v.tag_name().name().to_owned()),
        outcome: verdict
            .map_or(Some("pass"), |v| v.attribute("type"))
            .expect("every verdict has a type")
            .to_owned(),
        message: verdict
            .and_then(|v| v.attribute("message"))
            .unwrap_or_default()
            .to_owned(),
        system_out: text("system-out"),
        system_err: text("system-err"),
    }
}
