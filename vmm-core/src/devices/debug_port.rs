//! Boot timeline marks: init writes one byte to port 0x80 at each point, for the price of one exit.
//!
//! The guest may write any byte as often as it likes: old configurations of Linux delay every other port access by a
//! write here, of whatever is in `AL` (`arch/x86/kernel/io_delay.c`). Bytes that mean nothing are ignored, and each
//! mark counts the first time only, so that what is reported is bounded. A mark is a measurement and never decides
//! anything.

use crate::sync::now_nanos;
use crate::{bus::BusDevice, control::Mark};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Init runs: [`Mark::Init`]. The codes are in a range that the delays of the CMOS clock, the timers and the interrupt
/// controllers do not write.
pub const INIT: u8 = 0xe1;
/// The root file system is mounted: [`Mark::RootMounted`].
pub const ROOT_MOUNTED: u8 = 0xe2;
/// Init waits for tests: [`Mark::Ready`].
pub const READY: u8 = 0xe3;
/// Init is about to switch the machine off: [`Mark::PowerOff`].
pub const POWER_OFF: u8 = 0xe4;

/// A point that a guest can mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum GuestMark {
    /// [`INIT`].
    Init = INIT,
    /// [`ROOT_MOUNTED`].
    RootMounted = ROOT_MOUNTED,
    /// [`READY`].
    Ready = READY,
    /// [`POWER_OFF`].
    PowerOff = POWER_OFF,
}

/// A byte that stands for no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no boot mark has the code {0:#04x}")]
pub struct UnknownMark(pub u8);

impl TryFrom<u8> for GuestMark {
    type Error = UnknownMark;

    fn try_from(code: u8) -> Result<Self, UnknownMark> {
        match code {
            INIT => Ok(Self::Init),
            ROOT_MOUNTED => Ok(Self::RootMounted),
            READY => Ok(Self::Ready),
            POWER_OFF => Ok(Self::PowerOff),
            _ => Err(UnknownMark(code)),
        }
    }
}

impl From<GuestMark> for u8 {
    fn from(mark: GuestMark) -> Self {
        mark as Self
    }
}

impl From<GuestMark> for Mark {
    fn from(mark: GuestMark) -> Self {
        match mark {
            GuestMark::Init => Self::Init,
            GuestMark::RootMounted => Self::RootMounted,
            GuestMark::Ready => Self::Ready,
            GuestMark::PowerOff => Self::PowerOff,
        }
    }
}

/// Takes a mark and the time of it, `CLOCK_MONOTONIC` in nanoseconds; called on a vCPU's thread.
pub type MarkSignal = Arc<dyn Fn(Mark, u64) + Send + Sync>;

/// The port at [`crate::layout::port::DEBUG`].
pub struct DebugPort {
    report: MarkSignal,
    /// Bit n: the mark with code `INIT` + n was reported.
    reported: AtomicU8,
}

impl DebugPort {
    /// A port that calls `report` for each mark.
    #[must_use]
    pub fn new(report: MarkSignal) -> Self {
        Self {
            report,
            reported: AtomicU8::new(0),
        }
    }
}

impl BusDevice for DebugPort {
    fn read(&self, _offset: u64, data: &mut [u8]) {
        data.fill(0xff);
    }

    fn write(&self, _offset: u64, data: &[u8]) {
        let Some(mark) = data
            .first()
            .and_then(|&code| GuestMark::try_from(code).ok())
        else {
            return;
        };
        let bit = 1 << (u8::from(mark) - INIT);
        if self.reported.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            (self.report)(mark.into(), now_nanos());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn each_mark_is_reported_once_with_the_time() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        let port = DebugPort::new(Arc::new(move |mark, nanos| {
            into.lock().expect("held by nobody").push((mark, nanos));
        }));
        let before = now_nanos();
        for code in (0..=0xff).chain(0..=0xff) {
            port.write(0, &[code]);
        }
        let seen = seen.lock().expect("held by nobody");
        let marks: Vec<_> = seen.iter().map(|(mark, _)| *mark).collect();
        assert_eq!(
            marks,
            [Mark::Init, Mark::RootMounted, Mark::Ready, Mark::PowerOff]
        );
        assert!(
            seen.iter()
                .all(|(_, nanos)| (before..=now_nanos()).contains(nanos))
        );
    }

    #[test]
    fn codes_go_there_and_back() {
        for code in 0..=0xff {
            match GuestMark::try_from(code) {
                Ok(mark) => assert_eq!(u8::from(mark), code),
                Err(error) => assert_eq!(error, UnknownMark(code)),
            }
        }
    }
}
