//! Points of a boot that init marks for a machine that draws a timeline.
//!
//! Init writes the code to port [`PORT`]; machines without such a timeline ignore the write, as every PC does: the port is
//! that of power-on self-test codes.

/// The port.
pub const PORT: u16 = 0x80;
/// Init runs.
pub const INIT: u8 = 0xe1;
/// The root file system is mounted.
pub const ROOT_MOUNTED: u8 = 0xe2;
/// Init waits for tests.
pub const READY: u8 = 0xe3;
/// Init is about to switch the machine off.
pub const POWER_OFF: u8 = 0xe4;
