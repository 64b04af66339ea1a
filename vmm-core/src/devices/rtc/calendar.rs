//! The host's time as a date.

use std::time::{SystemTime, UNIX_EPOCH};

/// UTC, as the chip counts it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CivilTime {
    pub century: u8,
    pub year_of_century: u8,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 is Sunday.
    pub weekday: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl From<SystemTime> for CivilTime {
    /// A clock before 1970 shows 1970, one after 9999 wraps around.
    fn from(time: SystemTime) -> Self {
        /// Days of 400 years of the Gregorian calendar; they repeat after that.
        const DAYS_OF_ERA: u64 = 146_097;
        let narrow = |value: u64| u8::try_from(value).expect("two digits");
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let days = seconds / 86_400;
        let mut year = 1970 + days / DAYS_OF_ERA * 400;
        let mut rest = days % DAYS_OF_ERA;
        while rest >= days_of_year(year) {
            rest -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while rest >= days_of_month(year, month) {
            rest -= days_of_month(year, month);
            month += 1;
        }
        Self {
            century: narrow(year / 100 % 100),
            year_of_century: narrow(year % 100),
            month: narrow(month),
            day: narrow(rest + 1),
            // The epoch was a Thursday.
            weekday: narrow((days + 4) % 7 + 1),
            hour: narrow(seconds / 3600 % 24),
            minute: narrow(seconds / 60 % 60),
            second: narrow(seconds % 60),
        }
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
