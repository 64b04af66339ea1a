//! Logs and what is found in them.

use splats::{Class, Splat, TextScanner};

/// The splats of a recorded log.
pub fn scan(log: &str) -> Vec<Splat> {
    let mut scanner = TextScanner::new();
    scanner.push(log.as_bytes());
    scanner.finish().0
}

/// The only splat of a log.
#[track_caller]
pub fn only(log: &str) -> Splat {
    let mut splats = scan(log);
    assert_eq!(splats.len(), 1, "{:#?}\n{log}", titles(&splats));
    splats.remove(0)
}

/// Classes and titles.
pub fn titles(splats: &[Splat]) -> Vec<(Class, &str)> {
    splats
        .iter()
        .map(|splat| (splat.class, splat.title.as_str()))
        .collect()
}

/// Lines as a console has them, from 1 s on, a millisecond apart.
pub fn console(lines: &str) -> String {
    at(1_000_000, lines)
}

/// Lines as a console has them, from a time in microseconds on, a millisecond apart.
pub fn at(usec: u64, lines: &str) -> String {
    let stamped = lines.lines().zip(0..).map(|(line, n)| {
        let usec = usec + n * 1000;
        format!(
            "[{:5}.{:06}] {line}\r\n",
            usec / 1_000_000,
            usec % 1_000_000
        )
    });
    stamped.collect()
}

/// The same of a kernel that says who prints.
pub fn called(usec: u64, caller: &str, lines: &str) -> String {
    at(usec, lines)
        .replace("] ", &format!("][{caller:>6}] "))
        .replace("\r\n", "\n")
}

/// A log with a quiet line before and after.
pub fn within(report: &str) -> String {
    console(&format!(
        "init: started\n{}\ninit: and goes on",
        report.trim_end()
    ))
}
