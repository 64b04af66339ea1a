//! Time passes, and only forwards.

use rustix::thread::{NanosleepRelativeResult, nanosleep};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::params::Params;
use super::report::{Checked, Verdict, ensure};

pub fn check(_: &Params) -> Checked {
    for (name, clock) in [
        ("CLOCK_MONOTONIC", ClockId::Monotonic),
        ("CLOCK_REALTIME", ClockId::Realtime),
    ] {
        const READS: u32 = 2_000;
        let mut last = now(clock);
        for _ in 0..READS {
            let this = now(clock);
            ensure(this >= last, || {
                format!("{name} goes back by {} ns", last - this)
            })?;
            last = this;
        }
        println!("{name} never goes back in {READS} reads");
    }

    const SLEEP_NS: i128 = 10_000_000;
    let before = (now(ClockId::Monotonic), now(ClockId::Realtime));
    let mut sleep = Timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    while let NanosleepRelativeResult::Interrupted(left) = nanosleep(&sleep) {
        sleep = left;
    }
    let after = (now(ClockId::Monotonic), now(ClockId::Realtime));
    let (monotonic, realtime) = (after.0 - before.0, after.1 - before.1);
    println!("a sleep of {SLEEP_NS} ns: {monotonic} ns monotonic, {realtime} ns real time");
    ensure(monotonic >= SLEEP_NS, || {
        "CLOCK_MONOTONIC says it was shorter".into()
    })?;
    // Real time may be slewed, by half a thousandth at most, or stepped by nobody in a test machine.
    ensure(realtime >= SLEEP_NS / 100 * 99, || {
        "CLOCK_REALTIME says it was shorter".into()
    })?;

    const START_OF_2020: i64 = 1_577_836_800;
    let seconds = clock_gettime(ClockId::Realtime).tv_sec;
    if seconds < START_OF_2020 {
        println!("warning: the real time clock is not set: {seconds} seconds since 1970");
    }
    Ok(Verdict::Pass)
}

/// Nanoseconds.
fn now(clock: ClockId) -> i128 {
    let time = clock_gettime(clock);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
