//! Every CPU is online and runs a thread: this one, pinned to each in turn.

use std::fs;

use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

use super::params::Params;
use super::report::{Checked, OrFail, Verdict, ensure};
use crate::facts;

/// `cpus=N`: how many the machine was given.
pub fn check(params: &Params) -> Checked {
    let wanted = params.number("cpus")?;
    let path = "/sys/devices/system/cpu/online";
    let online = fs::read_to_string(path).or_fail(format_args!("read {path}"))?;
    println!("online: {}", online.trim());
    let online = facts::parse_list(&online)
        .ok_or_else(|| Verdict::Fail(format!("{path} holds no list of CPUs: {online:?}")))?;
    ensure(online.len() as u64 == wanted, || {
        format!("{} CPUs are online and not {wanted}", online.len())
    })?;
    for cpu in online {
        run_on(cpu as usize).map_err(|why| Verdict::Fail(format!("CPU {cpu}: {why}")))?;
        println!("CPU {cpu} runs what is pinned to it");
    }
    Ok(Verdict::Pass)
}

fn run_on(cpu: usize) -> Result<(), String> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(format!("over the {} that can be chosen", CpuSet::MAX_CPU));
    }
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).map_err(|e| format!("cannot run there: {e}"))?;
    // Some work, so that the clock ticks and the scheduler has had its say.
    let mut sum = 0_u64;
    for number in 0..200_000_u64 {
        sum = std::hint::black_box(sum.wrapping_add(number));
    }
    let here = sched_getcpu();
    if here == cpu {
        Ok(())
    } else {
        Err(format!("the thread pinned there runs on CPU {here}"))
    }
}
