//! Splats as people read them.

use crate::TestSplat;
use splats::{Frame, Splat};

/// Most splats of a test that are shown.
const SHOWN: usize = 5;
/// Most frames that are shown of each.
const FRAMES: usize = 16;

/// `TITLE [class fingerprint]`.
pub(crate) fn heading(splat: &Splat) -> String {
    format!("{} [{} {}]", splat.title, splat.class, splat.fingerprint)
}

/// A test's splats as lines: those held against it with their stacks, then those that are not, by name. Each is shown once,
/// however often it came.
pub(crate) fn lines(splats: &[TestSplat], with_allowed: bool) -> Vec<String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    let mut hidden = 0;
    for wanted in [true, false] {
        for TestSplat { splat, counts } in splats {
            if *counts != wanted
                || (!counts && !with_allowed)
                || seen.contains(&splat.fingerprint.as_str())
            {
                continue;
            }
            if seen.len() == SHOWN {
                hidden += 1;
                continue;
            }
            seen.push(&splat.fingerprint);
            let what = if *counts {
                "splat"
            } else {
                "splat, not held against the test"
            };
            lines.push(format!("--- {what}: {} ---", heading(splat)));
            if *counts {
                lines.extend(
                    splat
                        .frames
                        .iter()
                        .filter(|frame| !frame.doubtful)
                        .take(FRAMES)
                        .map(frame_line),
                );
            }
        }
    }
    if hidden > 0 {
        lines.push(format!("--- and {hidden} more ---"));
    }
    lines
}

/// `func+0x12/0x34 (fs/file.c:12)`, with the functions inlined there before it.
fn frame_line(frame: &Frame) -> String {
    let places: Vec<String> = frame
        .locations
        .iter()
        .map(|place| {
            let file = place.file.as_deref().unwrap_or("?");
            let line = place
                .line
                .map_or_else(String::new, |line| format!(":{line}"));
            match place.function == frame.function {
                true => format!("{file}{line}"),
                false => format!("{} {file}{line}", place.function),
            }
        })
        .collect();
    match places.is_empty() {
        true => format!(" {frame}"),
        false => format!(" {frame} ({})", places.join(", in ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use splats::{Line, Location, Scanner};

    fn splats(texts: &[&str]) -> Vec<TestSplat> {
        let mut scanner = Scanner::new();
        for text in texts {
            scanner.push(Line {
                usec: None,
                caller: None,
                text,
            });
        }
        let splats = scanner.finish().into_iter();
        splats
            .map(|splat| TestSplat {
                splat,
                counts: true,
            })
            .collect()
    }

    const WARNING: [&str; 6] = [
        "------------[ cut here ]------------",
        "WARNING: CPU: 0 PID: 1 at mm/file.c:12 culprit+0x1/0x10",
        "Call Trace:",
        " culprit+0x1/0x10",
        " ? stale+0x1/0x10",
        "---[ end trace 0000000000000000 ]---",
    ];

    #[test]
    fn a_splat_is_shown_once_with_its_stack() {
        let mut splats = splats(&[WARNING, WARNING].concat());
        assert_eq!(splats.len(), 2);
        splats[0].splat.frames[0].locations = vec![
            Location {
                function: "inner".into(),
                file: Some("mm/file.h".into()),
                line: Some(3),
            },
            Location {
                function: "culprit".into(),
                file: Some("mm/file.c".into()),
                line: Some(12),
            },
        ];
        let fingerprint = splats[0].splat.fingerprint.clone();
        assert_eq!(
            lines(&splats, false),
            [
                format!("--- splat: WARNING in culprit (mm/file.c:12) [warning {fingerprint}] ---"),
                " culprit+0x1/0x10 (inner mm/file.h:3, in mm/file.c:12)".to_owned(),
            ]
        );
    }

    #[test]
    fn what_is_allowed_is_named_where_it_is_asked_for() {
        let mut splats = splats(&WARNING);
        splats[0].counts = false;
        assert_eq!(lines(&splats, false), [""; 0]);
        let shown = lines(&splats, true);
        assert_eq!(shown.len(), 1);
        assert!(shown[0].starts_with("--- splat, not held against the test: WARNING in culprit"));
    }
}
