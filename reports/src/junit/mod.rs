//! `junit.xml`: the report that CI systems read.
//!
//! The dialect is the one that Jenkins' xUnit plugin describes in `junit-10.xsd`. One `testsuite` for each suite and
//! group; one `testcase` for each test and for each result inside its output; every (`classname`, `name`) is unique.
//!
//! | outcome | element | `type` |
//! | --- | --- | --- |
//! | pass | none | |
//! | skip, expected-fail, flaky | `skipped` | the outcome's name |
//! | fail, time-out | `failure` | the outcome's name |
//! | kernel-crash, hang, boot-failure, not-run, harness-error | `error` | the outcome's name |

mod case;
mod names;
mod output;
mod report;

pub use report::{JUNIT, write};
