use super::*;
use std::time::Duration;

/// 2024-02-29 13:07:59 UTC, a Thursday.
fn leap_day() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_709_212_079)
}

/// 2000-01-01 00:00:00 UTC, a Saturday.
fn midnight() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(946_684_800)
}

fn with_clock(clock: fn() -> SystemTime) -> Shared {
    let line = EventFd::new(libc::EFD_NONBLOCK).expect("an event");
    Shared::new(clock, line).expect("a timer")
}

fn read(rtc: &Shared, register: u8) -> u8 {
    rtc.write(INDEX, &[register]);
    let mut data = [0];
    rtc.read(DATA, &mut data);
    data[0]
}

fn write(rtc: &Shared, register: u8, value: u8) {
    rtc.write(INDEX, &[register]);
    rtc.write(DATA, &[value]);
}

fn shown(rtc: &Shared) -> [u8; 8] {
    [CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOURS, MINUTES, SECONDS].map(|r| read(rtc, r))
}

#[test]
fn the_time_is_bcd_at_first() {
    let rtc = with_clock(leap_day);
    assert_eq!(shown(&rtc), [0x20, 0x24, 0x02, 0x29, 5, 0x13, 0x07, 0x59]);
    assert_eq!(read(&rtc, STATUS_B) & (HOURS_24 | BINARY), HOURS_24);
}

#[test]
fn the_time_is_binary_where_asked_for() {
    let rtc = with_clock(leap_day);
    write(&rtc, STATUS_B, HOURS_24 | BINARY);
    assert_eq!(shown(&rtc), [20, 24, 2, 29, 5, 13, 7, 59]);
}

#[test]
fn hours_count_to_twelve_where_asked_for() {
    let rtc = with_clock(leap_day);
    write(&rtc, STATUS_B, 0);
    assert_eq!(read(&rtc, HOURS), 0x01 | PM);
    let rtc = with_clock(midnight);
    write(&rtc, STATUS_B, 0);
    assert_eq!(read(&rtc, HOURS), 0x12);
}

#[test]
fn the_calendar_is_right() {
    // Seconds since the epoch and year, month, day, weekday; as date(1) has them.
    for (seconds, expected) in [
        (0, (19, 70, 1, 1, 5)),
        (68_169_599, (19, 72, 2, 28, 2)),
        (68_169_600, (19, 72, 2, 29, 3)),
        (946_684_799, (19, 99, 12, 31, 6)),
        (946_684_800, (20, 0, 1, 1, 7)),
        (4_107_542_400, (21, 0, 3, 1, 2)),
        (13_569_465_600, (24, 0, 1, 1, 7)),
    ] {
        let t = CivilTime::from(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(
            (t.century, t.year_of_century, t.month, t.day, t.weekday),
            expected,
            "{seconds}"
        );
    }
}

#[test]
fn wild_host_clocks_are_no_trouble() {
    let _ = CivilTime::from(UNIX_EPOCH - Duration::from_secs(1));
    if let Some(far) = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)) {
        let _ = CivilTime::from(far);
    }
}

#[test]
fn setting_the_time_changes_nothing() {
    let rtc = with_clock(leap_day);
    let before = shown(&rtc);
    // As mc146818_set_time does it: updates stopped, values, updates on.
    write(&rtc, STATUS_B, 0x80 | HOURS_24);
    for register in [CENTURY, YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS] {
        write(&rtc, register, 0x11);
    }
    write(&rtc, STATUS_B, HOURS_24);
    assert_eq!(shown(&rtc), before);
}

#[test]
fn linux_need_not_wait_for_updates() {
    let rtc = with_clock(leap_day);
    write(&rtc, STATUS_A, 0xff);
    assert_eq!(read(&rtc, STATUS_A) & UIP, 0);
    assert_eq!(read(&rtc, STATUS_C), 0);
    assert_eq!(read(&rtc, STATUS_D), VALID);
}

#[test]
fn ram_keeps_what_is_written() {
    let rtc = with_clock(leap_day);
    // The shutdown code that Linux sets before it starts another CPU; the NMI mask is no part of the index.
    write(&rtc, 0x0f | 0x80, 0x0a);
    assert_eq!(read(&rtc, 0x0f), 0x0a);
    write(&rtc, 0x7f, 0x55);
    assert_eq!(read(&rtc, 0x7f), 0x55);
}

#[test]
fn the_index_cannot_be_read() {
    let rtc = with_clock(leap_day);
    rtc.write(INDEX, &[0x0d]);
    let mut both = [0; 2];
    rtc.read(INDEX, &mut both);
    assert_eq!(both, [0xff, VALID]);
}

/// 13:08:00, a second after [`leap_day`].
fn next_second() -> SystemTime {
    leap_day() + Duration::from_secs(1)
}

/// Sets an alarm at 13:08:00, as `cmos_set_alarm` does it.
fn set_alarm(rtc: &Shared) {
    for (register, value) in [
        (HOURS_ALARM, 0x13),
        (MINUTES_ALARM, 0x08),
        (SECONDS_ALARM, 0x00),
        (STATUS_B, HOURS_24 | ALARM_INTERRUPT),
    ] {
        write(rtc, register, value);
    }
}

/// Whether it raises the line at this time.
fn rises(rtc: &Shared, now: SystemTime) -> bool {
    lock(&rtc.state).expire(now)
}

#[test]
fn an_alarm_is_met_once_and_told() {
    let rtc = with_clock(leap_day);
    set_alarm(&rtc);
    assert_eq!(lock(&rtc.state).next, Some(next_second()));
    assert!(!rises(&rtc, leap_day()), "early");
    assert!(rises(&rtc, next_second()));
    assert!(!rises(&rtc, next_second()), "the line is up");
    assert_eq!(read(&rtc, STATUS_C), INTERRUPT | ALARMED);
    assert_eq!(read(&rtc, STATUS_C), 0, "reading lowers it");
}

#[test]
fn alarms_are_read_as_the_time_is_shown() {
    for (b, hour, minute) in [
        (ALARM_INTERRUPT | HOURS_24 | BINARY, 13, 8),
        (ALARM_INTERRUPT, 0x01 | PM, 0x08),
        (ALARM_INTERRUPT | BINARY, 1 | PM, 8),
    ] {
        let rtc = with_clock(leap_day);
        write(&rtc, STATUS_B, b);
        write(&rtc, HOURS_ALARM, hour);
        write(&rtc, MINUTES_ALARM, minute);
        assert_eq!(lock(&rtc.state).next, Some(next_second()), "{b:#x}");
        // 60 is no second.
        write(&rtc, SECONDS_ALARM, 60);
        let binary = b & BINARY != 0;
        assert_eq!(lock(&rtc.state).next.is_none(), binary, "{b:#x}");
    }
}

#[test]
fn updates_come_every_second_while_wanted() {
    let rtc = with_clock(leap_day);
    write(&rtc, STATUS_B, HOURS_24 | UPDATE_INTERRUPT);
    assert_eq!(lock(&rtc.state).next, Some(next_second()));
    assert!(rises(&rtc, next_second()));
    assert_eq!(read(&rtc, STATUS_C), INTERRUPT | UPDATED);
    write(&rtc, STATUS_B, HOURS_24);
    assert_eq!(lock(&rtc.state).next, None);
    write(&rtc, STATUS_B, HOURS_24 | UPDATE_INTERRUPT | SET);
    assert_eq!(lock(&rtc.state).next, None, "the clock stands");
}

#[test]
fn an_alarm_of_every_second_raises_the_line() {
    let line = EventFd::new(libc::EFD_NONBLOCK).expect("an event");
    let rtc = Rtc::new(line.try_clone().expect("a copy")).expect("a thread");
    for register in [HOURS_ALARM, MINUTES_ALARM, SECONDS_ALARM] {
        write(&rtc.shared, register, 0xff);
    }
    write(&rtc.shared, STATUS_B, HOURS_24 | ALARM_INTERRUPT);
    let rose = (0..6000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        line.read().is_ok()
    });
    assert!(rose, "not within a minute");
    assert_eq!(read(&rtc.shared, STATUS_C), INTERRUPT | ALARMED);
}
