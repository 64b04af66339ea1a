//! Says whether KVM on this host is fit to run kernels, and if not, what helps.
//!
//!     cargo run -p vmm-core --example probe
//!
//! Exits with 0 if it is, else with 1.

use std::process::ExitCode;
use std::time::Instant;
use vmm_core::{KvmHealth, probe};

fn main() -> ExitCode {
    let began = Instant::now();
    let health = probe();
    let took = began.elapsed();
    println!("{health}");
    if let KvmHealth::Healthy { micros } = health {
        println!("the guest's loop took {micros} us, the whole probe {took:?}");
        return ExitCode::SUCCESS;
    }
    if let Some(remedy) = health.remedy() {
        println!("what helps: {remedy}");
    }
    ExitCode::FAILURE
}
