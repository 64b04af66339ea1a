//! An interrupt line that several functions share (PCI Local Bus 3.0, 2.2.6): asserted while one of them does.

use crate::irq::LevelLine;
use crate::sync::lock;
use std::sync::{Arc, Mutex};

/// One line and who asserts it.
pub(super) struct SharedLine {
    line: Arc<dyn LevelLine>,
    /// One bit a slot. The lock is held only to evaluate a condition and to set the line.
    asserted: Mutex<u32>,
}

impl SharedLine {
    pub(super) fn new(line: Arc<dyn LevelLine>) -> Self {
        Self {
            line,
            asserted: Mutex::new(0),
        }
    }

    /// Has the line follow `due` for the function in `slot` (below 32). The condition is evaluated with the line held, so
    /// the last one to change it and to call this is the one that counts.
    pub(super) fn update(&self, slot: u8, due: impl FnOnce() -> bool) {
        let mut asserted = lock(&self.asserted);
        let before = *asserted != 0;
        let bit = 1 << slot;
        *asserted = if due() {
            *asserted | bit
        } else {
            *asserted & !bit
        };
        let now = *asserted != 0;
        if now != before {
            self.line.set(now);
        }
    }
}
