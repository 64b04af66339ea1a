//! `runner`: runs Linux kernel test suites in a throwaway virtual machine.
#[allow(dead_code, reason = "the commands that use it come next")]
mod kernel;

fn main() {}
