//! Logs that were recorded elsewhere: a serial console, what `run_kselftest.sh` printed, a boot with KUnit.
//!
//! [`Reader`] takes a log as it comes, in bounded memory and linear time, and gives what it says of its tests as
//! [`Recorded`]. It decides nothing that needs more than the log: where a wrapper only says how its program exited,
//! [`RecordedEnd::Exited`] says so.

mod check_log;
mod console;
mod crash;
mod detect;
mod family;
mod lines;
mod numbered;
mod reader;
mod result;
mod shelf;

pub use console::{Line, MAX_PIECES, pieces};
pub use crash::{Trouble, trouble};
pub use detect::LogFormat;
pub use lines::{Lines, MAX_LINE};
pub use reader::Reader;
pub use result::{Recorded, RecordedEnd, RecordedTest, Subtest, explain, subtests};
pub use shelf::Shelf;

pub(crate) use check_log::{CheckLog, CheckOutput};
pub(crate) use family::{Family, KtapLog};
pub(crate) use numbered::numbered;
