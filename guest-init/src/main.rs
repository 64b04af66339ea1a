//! PID 1 of the test machine.
fn main() {}
