//! Shared by the other files.

use std::fmt::Write;
use suites::{
    OutputFormat,
    ktap::{Document, Parser, Point},
};

pub fn parse_as(format: OutputFormat, output: impl AsRef<[u8]>) -> Document {
    let mut parser = Parser::new(format);
    parser.push(output.as_ref());
    parser.finish()
}

pub fn parse(output: impl AsRef<[u8]>) -> Document {
    parse_as(OutputFormat::Kselftest, output)
}

/// The tree, one result a line: `fail name # reason`.
pub fn outline(document: &Document) -> Vec<String> {
    fn add(points: &[Point], indent: usize, lines: &mut Vec<String>) {
        for point in points {
            let mut line = format!("{:indent$}{} {}", "", point.outcome, point.name);
            if !point.reason.is_empty() {
                write!(line, " # {}", point.reason).unwrap();
            }
            lines.push(line);
            add(&point.children, indent + 2, lines);
        }
    }
    let mut lines = Vec::new();
    add(&document.results, 0, &mut lines);
    lines
}

/// Checks the tree of an output that has no problems.
#[track_caller]
pub fn reads(output: &str, expected: &[&str]) -> Document {
    let document = parse(output);
    assert_eq!(outline(&document), expected);
    assert_eq!(document.problems, [""; 0]);
    assert!(document.is_ktap);
    document
}

/// Checks the problems of an output.
#[track_caller]
pub fn complains(output: &str, expected: &[&str]) -> Document {
    let document = parse(output);
    assert_eq!(document.problems, expected);
    document
}

pub fn paths(document: &Document) -> Vec<String> {
    document.leaves().map(|(path, _)| path.join("/")).collect()
}
