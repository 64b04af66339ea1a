//! The kernel came up, and knows what it is.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::params::Params;
use super::report::{Checked, OrFail, Verdict, ensure};
use crate::facts;

pub fn check(_: &Params) -> Checked {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    ensure(parent == Some(1), || {
        format!("the parent is {parent:?} and not process 1")
    })?;
    let file = |path: &str| {
        let meta = fs::metadata(path).or_fail(format_args!("look at {path}"))?;
        Ok::<_, Verdict>((meta.dev(), meta.ino()))
    };
    let same = file("/proc/1/exe")? == file("/proc/self/exe")?;
    ensure(same, || "process 1 is another program".into())?;

    let version = fs::read_to_string("/proc/version").or_fail("read /proc/version")?;
    print!("{version}");
    let release = facts::release();
    let begins = format!("Linux version {release} ");
    ensure(version.starts_with(&begins), || {
        format!("/proc/version does not begin with {begins:?}")
    })?;

    const DAY: u64 = 24 * 60 * 60;
    let uptime = facts::uptime_us() / 1_000_000;
    println!("up for {uptime} seconds");
    ensure(uptime < 30 * DAY, || {
        "no test machine runs for a month".into()
    })?;
    let said = fs::read_to_string("/proc/uptime").or_fail("read /proc/uptime")?;
    let said = said.split('.').next().and_then(|s| s.parse::<u64>().ok());
    let agrees = said.is_some_and(|said| said.abs_diff(uptime) <= 2);
    ensure(agrees, || format!("/proc/uptime says {said:?} seconds"))?;
    Ok(Verdict::Pass)
}
