//! What holds for every output.

use crate::support::*;
use proptest::prelude::*;
use suites::{
    Outcome, OutputFormat,
    ktap::{Document, Parser, Point},
};

/// A result to print and to find again.
#[derive(Debug, Clone)]
struct Tree {
    name: String,
    outcome: Outcome,
    reason: String,
    diagnostics: Vec<String>,
    children: Vec<Tree>,
}

/// How a tree is printed.
#[derive(Debug, Clone)]
struct Style {
    indent: &'static str,
    versions: bool,
    plans: bool,
    subtests: bool,
    dash: bool,
    line_end: &'static str,
}

fn style() -> impl Strategy<Value = Style> {
    let indent = prop::sample::select(vec!["  ", "    ", "\t", "# "]);
    let line_end = prop::sample::select(vec!["\n", "\r\n", " \n"]);
    let flags = any::<[bool; 4]>();
    (indent, flags, line_end).prop_map(|(indent, [versions, plans, subtests, dash], line_end)| {
        Style {
            indent,
            versions,
            plans,
            subtests,
            dash,
            line_end,
        }
    })
}

fn forest() -> impl Strategy<Value = Vec<Tree>> {
    // Words that cannot be taken for anything else, `#2` and the like included.
    let words = "[a-z_]{1,8}[.:=,(a-z) ]{0,12}[a-z)]";
    let outcome = prop::sample::select(vec![
        Outcome::Pass,
        Outcome::Fail,
        Outcome::Skip,
        Outcome::ExpectedFail,
        Outcome::TimeOut,
        Outcome::HarnessError,
    ]);
    let leaf = (words, outcome, words, prop::collection::vec(words, 0..3)).prop_map(
        |(name, outcome, reason, diagnostics)| Tree {
            name,
            outcome,
            reason,
            diagnostics,
            children: Vec::new(),
        },
    );
    let tree = leaf.prop_recursive(4, 40, 5, move |inner| {
        (words, prop::collection::vec(inner, 1..5)).prop_map(|(name, children)| {
            let bad = children.iter().any(|c: &Tree| !c.outcome.is_good());
            Tree {
                name,
                outcome: if bad { Outcome::Fail } else { Outcome::Pass },
                reason: String::new(),
                diagnostics: Vec::new(),
                children,
            }
        })
    });
    prop::collection::vec(tree, 1..6)
}

fn print(trees: &[Tree], style: &Style, depth: usize, output: &mut String) {
    let line = |output: &mut String, depth: usize, text: &str| {
        *output += &style.indent.repeat(depth);
        *output += text;
        *output += style.line_end;
    };
    if style.versions {
        line(output, depth, "KTAP version 1");
    }
    if style.plans || depth == 0 {
        line(output, depth, &format!("1..{}", trees.len()));
    }
    for (tree, number) in trees.iter().zip(1..) {
        if !tree.children.is_empty() {
            if style.subtests {
                line(output, depth, &format!("# Subtest: {}", tree.name));
            }
            print(&tree.children, style, depth + 1, output);
        }
        for text in &tree.diagnostics {
            line(output, depth, &format!("# {text}"));
        }
        let (ok, directive) = match tree.outcome {
            Outcome::Pass => ("ok", ""),
            Outcome::Skip => ("ok", "SKIP "),
            Outcome::ExpectedFail => ("ok", "XFAIL "),
            Outcome::TimeOut => ("not ok", "TIMEOUT "),
            Outcome::HarnessError => ("not ok", "ERROR "),
            _ => ("not ok", ""),
        };
        let dash = if style.dash { "- " } else { "" };
        let mut text = format!("{ok} {number} {dash}{}", tree.name);
        if !tree.reason.is_empty() || !directive.is_empty() {
            text += &format!(" # {directive}{}", tree.reason);
        }
        line(output, depth, &text);
    }
}

fn check(trees: &[Tree], points: &[Point], diagnostics: bool) -> Result<(), TestCaseError> {
    prop_assert_eq!(trees.len(), points.len());
    for ((tree, point), number) in trees.iter().zip(points).zip(1..) {
        prop_assert_eq!(point.number, number);
        // The second of a name has a number.
        let name = point.name.split(" #").next().unwrap();
        prop_assert_eq!(&tree.name, name);
        prop_assert_eq!(tree.outcome, point.outcome);
        prop_assert_eq!(&tree.reason, &point.reason);
        if diagnostics && tree.outcome != Outcome::Pass && tree.children.is_empty() {
            prop_assert_eq!(tree.diagnostics.join("\n"), point.diagnostics.as_str());
        }
        check(&tree.children, &point.children, diagnostics)?;
    }
    Ok(())
}

/// Pieces of KTAP and of what surrounds it, for outputs that are nearly right.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "ok ",
        "not ",
        "1",
        "2",
        "3",
        " ",
        "\n",
        "\n",
        "\n",
        "\r",
        "# ",
        "#",
        "  ",
        "    ",
        "\t",
        "1..",
        "TAP version 13\n",
        "KTAP version 1\n",
        "# Subtest: x\n",
        "Bail out! ",
        "SKIP",
        "# SKIP",
        "XFAIL",
        "TODO",
        "---\n",
        "...\n",
        "name",
        "\x1b[3m",
        "\0",
        "\u{e9}",
        "ok 1 a\n",
        "not ok 2 b\n",
        "1..2\n",
        "# ok 1 c\n",
        "    ok 1 d\n",
        "1..0 # SKIP y\n",
        "\\#",
        "- ",
    ]);
    prop_oneof![
        20 => pieces.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

fn output() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(fragment(), 0..120).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(any::<u8>(), 0..400),
    ]
}

fn count(points: &[Point]) -> usize {
    points.iter().map(|p| 1 + count(&p.children)).sum()
}

proptest! {
    #[test]
    fn a_tree_that_is_printed_is_found_again(trees in forest(), style in style()) {
        let mut output = String::new();
        print(&trees, &style, 0, &mut output);
        let document = parse(&output);
        prop_assert_eq!(&document.problems, &[""; 0], "{}", output);
        prop_assert_eq!(document.plan, Some(trees.len() as u64));
        // Without a header, a level begins with its first result: remarks before it are the parent's.
        check(&trees, &document.results, style.versions || style.plans)?;
    }

    #[test]
    fn pieces_of_any_size_give_the_same_document(
        output in output(),
        cuts in prop::collection::vec(0..400_usize, 0..40),
    ) {
        let mut parser = Parser::new(OutputFormat::Kselftest);
        let mut rest = &output[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()) % (rest.len() + 1));
            parser.push(piece);
            rest = after;
        }
        parser.push(rest);
        prop_assert_eq!(parser.finish(), parse(&output));

        let mut parser = Parser::new(OutputFormat::Kselftest);
        for byte in &output {
            parser.push(std::slice::from_ref(byte));
        }
        prop_assert_eq!(parser.finish(), parse(&output));
    }

    #[test]
    fn any_output_gives_a_consistent_document(output in output()) {
        for format in [OutputFormat::Auto, OutputFormat::Kselftest, OutputFormat::ExitStatus] {
            let document = parse_as(format, &output);
            if !document.is_ktap {
                prop_assert_eq!(&document, &Document::default());
            }
            let leaves: Vec<_> = document.leaves().collect();
            prop_assert!(leaves.len() <= count(&document.results));
            prop_assert_eq!(document.counts().values().sum::<u64>(), leaves.len() as u64);
            let mut paths: Vec<_> = leaves.iter().map(|(path, _)| path.clone()).collect();
            prop_assert!(paths.iter().flatten().all(|name| !name.is_empty()));
            paths.sort_unstable();
            paths.dedup();
            prop_assert_eq!(paths.len(), leaves.len());
            if document.skip_all.is_some() {
                prop_assert!(document.results.is_empty());
            }
        }
    }

    #[test]
    fn no_whole_result_line_at_the_outermost_level_is_lost(
        before in output(),
        number in 1_u64..9,
    ) {
        // A YAML block ends with its indentation, a glued line with its newline.
        let mut whole = before.clone();
        whole.extend_from_slice(format!("\nnot ok {number} the last one\n").as_bytes());
        let document = parse(&whole);
        prop_assert!(
            document.results.iter().any(|p| p.name.starts_with("the last one")),
            "{:?}",
            document
        );
    }
}
