//! A test, and the results inside its output, as test cases.

use super::{names::Names, output};
use crate::{
    TestResult,
    text::{shortened, xml_attribute, xml_text},
};
use junit_report::{Duration, TestCase, TestResult as Verdict};
use std::path::Path;
use suites::{Outcome, TestId};

/// Characters of a message in an attribute; the whole message is the element's text.
const MESSAGE_MAX: usize = 1000;
/// Characters of a message in an element's text.
const TRACE_MAX: usize = 64 << 10;
/// Milliseconds that a test is said to have taken at most (34 years), so that sums cannot overflow.
const DURATION_MAX: u64 = 1 << 40;

/// `SUITE.GROUP`, the class of the tests of a group and the package of their suite; `SUITE` without groups.
pub(super) fn class(id: &TestId) -> String {
    match &id.group {
        Some(group) => xml_attribute(&format!("{}.{group}", id.suite)),
        None => xml_attribute(&id.suite),
    }
}

/// The test cases of one test: its own, then one for each result inside its output.
pub(super) fn cases(result: &TestResult, run_dir: &Path, names: &mut Names) -> Vec<TestCase> {
    let class = class(&result.id);
    let name = xml_attribute(&result.id.case);
    let subtest_class = format!("{class}.{name}");
    let own = TestCase {
        name: names.unique(&class, name),
        time: Duration::milliseconds(result.duration_ms.min(DURATION_MAX).cast_signed()),
        result: verdict(result.outcome, result.message.as_deref()),
        classname: Some(class),
        filepath: None,
        system_out: output::system_out(result, run_dir).map(|text| cdata(&text)),
        system_err: output::system_err(result, run_dir).map(|text| cdata(&text)),
    };
    let subtests = result.subtests.iter().map(|subtest| {
        let name = xml_attribute(&subtest.path.join(" / "));
        TestCase {
            name: names.unique(&subtest_class, name),
            time: Duration::ZERO,
            result: verdict(subtest.outcome, subtest.message.as_deref()),
            classname: Some(subtest_class.clone()),
            filepath: None,
            system_out: None,
            system_err: None,
        }
    });
    std::iter::once(own).chain(subtests).collect()
}

fn verdict(outcome: Outcome, message: Option<&str>) -> Verdict {
    let text = message.unwrap_or(outcome.as_str());
    let type_ = outcome.as_str().to_owned();
    let first_line = text.lines().next().unwrap_or_default();
    let message = xml_attribute(&shortened(first_line, MESSAGE_MAX));
    let cause = Some(cdata(&xml_text(&shortened(text, TRACE_MAX))));
    match outcome {
        Outcome::Pass => Verdict::Success,
        // No word for it is read by all that read JUnit. As a pass nobody would see it, as a failure it would stop a
        // pipeline that the exit status lets go on.
        Outcome::Skip | Outcome::ExpectedFail | Outcome::Flaky => Verdict::SkippedWithCause {
            type_,
            message,
            cause,
        },
        Outcome::Fail | Outcome::TimeOut => Verdict::Failure {
            type_,
            message,
            cause,
        },
        Outcome::KernelCrash
        | Outcome::Hang
        | Outcome::BootFailure
        | Outcome::NotRun
        | Outcome::HarnessError => Verdict::Error {
            type_,
            message,
            cause,
        },
    }
}

/// `text`, already fit for XML, for a CDATA section. junit-report writes sections as they are, so the one sequence
/// that would end one is spread over two.
pub(super) fn cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}
