//! `runner`: runs Linux kernel test suites in a throwaway virtual machine.
fn main() {}
