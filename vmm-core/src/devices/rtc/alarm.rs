//! When an alarm comes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The time of day of an alarm, by the three alarm registers. A field that is out of range never comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alarm {
    /// `None`: every hour.
    pub hour: Option<u8>,
    /// `None`: every minute.
    pub minute: Option<u8>,
    /// `None`: every second.
    pub second: Option<u8>,
}

/// An alarm register: with both upper bits set it is met by every value.
pub(super) fn field(value: u8, decode: impl Fn(u8) -> u8) -> Option<u8> {
    const ANY: u8 = 0xc0;
    (value & ANY != ANY).then(|| decode(value))
}

impl Alarm {
    /// The alarm after every update.
    pub const EVERY_SECOND: Self = Self {
        hour: None,
        minute: None,
        second: None,
    };

    /// The first second after `now` at which the alarm comes, within a day.
    pub fn next(&self, now: SystemTime) -> Option<SystemTime> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let is = |wanted: Option<u8>, value: u64| wanted.is_none_or(|w| u64::from(w) == value);
        let mut time = now.checked_add(1)?;
        let end = time.checked_add(DAY)?;
        while time < end {
            // To where the first field that differs changes: at most 23 + 59 + 59 steps.
            let unit = if !is(self.hour, time / HOUR % 24) {
                HOUR
            } else if !is(self.minute, time / MINUTE % 60) {
                MINUTE
            } else if !is(self.second, time % 60) {
                1
            } else {
                return UNIX_EPOCH.checked_add(Duration::from_secs(time));
            };
            time = (time / unit + 1) * unit;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Second by second.
    fn slowly(alarm: Alarm, now: u64) -> Option<SystemTime> {
        let is = |wanted: Option<u8>, value: u64| wanted.is_none_or(|w| u64::from(w) == value);
        (now + 1..now + 1 + DAY)
            .find(|t| {
                is(alarm.hour, t / HOUR % 24)
                    && is(alarm.minute, t / MINUTE % 60)
                    && is(alarm.second, t % 60)
            })
            .map(at)
    }

    #[test]
    fn the_same_second_is_tomorrow() {
        let alarm = Alarm {
            hour: Some(13),
            minute: Some(7),
            second: Some(59),
        };
        assert_eq!(alarm.next(at(1_709_212_078)), Some(at(1_709_212_079)));
        assert_eq!(alarm.next(at(1_709_212_079)), Some(at(1_709_298_479)));
        assert_eq!(Alarm::EVERY_SECOND.next(at(7)), Some(at(8)));
    }

    #[test]
    fn clocks_before_and_far_after_the_epoch_are_no_trouble() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Alarm::EVERY_SECOND.next(before), Some(at(1)));
        if let Some(far) = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)) {
            let _ = Alarm::EVERY_SECOND.next(far);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_found_without_trying_every_second(
            hour in proptest::option::of(0..26_u8),
            minute in proptest::option::of(0..62_u8),
            second in proptest::option::of(0..62_u8),
            now in 0..4_000_000_000_u64,
        ) {
            let alarm = Alarm { hour, minute, second };
            prop_assert_eq!(alarm.next(at(now)), slowly(alarm, now));
        }
    }
}
