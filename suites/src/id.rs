//! Names of tests.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of one test, unique in a run: `SUITE:GROUP:CASE`, `SUITE:CASE` where a suite has no groups.
///
/// `kselftest:timers:posix_timers`, `smoke:clock`, `exec:make check`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TestId {
    /// The suite: `smoke`, `kselftest`, `exec`.
    pub suite: String,
    /// The suite's subdivision, such as a kselftest collection: `timers`, `filesystems/epoll`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// The test.
    pub case: String,
}

impl TestId {
    /// A test of a suite without groups.
    #[must_use]
    pub fn new(suite: &str, case: &str) -> Self {
        Self {
            suite: suite.into(),
            group: None,
            case: case.into(),
        }
    }

    /// A test in a group of a suite.
    #[must_use]
    pub fn grouped(suite: &str, group: &str, case: &str) -> Self {
        Self {
            suite: suite.into(),
            group: Some(group.into()),
            case: case.into(),
        }
    }
}

impl fmt::Display for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{}:{}", self.suite, group, self.case),
            None => write!(f, "{}:{}", self.suite, self.case),
        }
    }
}
