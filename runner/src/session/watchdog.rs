//! When to stop waiting for a machine. Pure: time is handed in.

use std::time::{Duration, Instant};

/// A test's time at the host: its own limit and what init needs to end it.
#[derive(Debug)]
pub struct Watchdog {
    hang_after: Duration,
    ping_every: Duration,
    last_sign: Instant,
    last_ping: Instant,
    pings: u32,
    deadline: Option<Instant>,
}

/// What is to be done at a moment.
#[derive(Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Ask init whether it is alive.
    Ping(u32),
    /// It has not answered for this long: it hangs.
    Silent(Duration),
    /// Init is overdue to end the test: nothing came of its own clock.
    Overdue,
}

impl Watchdog {
    /// Begins to watch a test at `now`. `limit` is the whole time until init must have ended it, time for killing included.
    pub fn new(now: Instant, limit: Option<Duration>, hang_after: Duration) -> Self {
        Self {
            hang_after,
            ping_every: hang_after / 3,
            last_sign: now,
            last_ping: now,
            pings: 0,
            deadline: limit.map(|limit| now + limit),
        }
    }

    /// Something came from init.
    pub fn sign_of_life(&mut self, now: Instant) {
        self.last_sign = now;
    }

    /// The next moment at which [`Watchdog::check`] may have something.
    pub fn next(&self) -> Instant {
        let silent = self.last_sign + self.hang_after;
        let ping = self.last_sign.max(self.last_ping) + self.ping_every;
        let next = silent.min(ping);
        self.deadline.map_or(next, |deadline| deadline.min(next))
    }

    /// What is to be done now, if anything.
    pub fn check(&mut self, now: Instant) -> Option<Alarm> {
        let silence = now.saturating_duration_since(self.last_sign);
        if silence >= self.hang_after {
            return Some(Alarm::Silent(silence));
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Some(Alarm::Overdue);
        }
        if now >= self.last_sign.max(self.last_ping) + self.ping_every {
            self.last_ping = now;
            self.pings += 1;
            return Some(Alarm::Ping(self.pings));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_silent_machine_is_asked_and_then_given_up() {
        let start = Instant::now();
        let mut dog = Watchdog::new(start, None, 15 * SECOND);
        assert_eq!(dog.next(), start + 5 * SECOND);
        assert_eq!(dog.check(start + 4 * SECOND), None);
        assert_eq!(dog.check(start + 5 * SECOND), Some(Alarm::Ping(1)));
        assert_eq!(dog.check(start + 6 * SECOND), None);
        assert_eq!(dog.check(start + 10 * SECOND), Some(Alarm::Ping(2)));
        assert_eq!(
            dog.check(start + 15 * SECOND),
            Some(Alarm::Silent(15 * SECOND))
        );
    }

    #[test]
    fn a_machine_that_answers_is_never_given_up_without_a_limit() {
        let start = Instant::now();
        let mut dog = Watchdog::new(start, None, 15 * SECOND);
        for i in 1..1000 {
            let now = start + i * 5 * SECOND;
            assert_eq!(dog.check(now), Some(Alarm::Ping(i)));
            dog.sign_of_life(now);
        }
    }

    #[test]
    fn an_answering_machine_is_overdue_at_its_limit() {
        let start = Instant::now();
        let mut dog = Watchdog::new(start, Some(8 * SECOND), 15 * SECOND);
        dog.sign_of_life(start + 7 * SECOND);
        assert_eq!(dog.next(), start + 8 * SECOND);
        assert_eq!(dog.check(start + 8 * SECOND), Some(Alarm::Overdue));
    }
}
