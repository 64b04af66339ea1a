//! The words in which a document's problems are told.

use super::keep::head;

/// Bytes of a name in a problem.
const MAX_NAME_IN_PROBLEM: usize = 100;

/// Says which numbers are missing below the highest, and which came more than once.
pub(super) fn number_problems(mut numbers: Vec<u64>) -> impl Iterator<Item = String> {
    const SHOWN: usize = 3;
    let mut missing = Vec::new();
    let mut repeated = Vec::new();
    let mut more_missing = false;
    numbers.sort_unstable();
    let mut last = 0;
    for number in numbers {
        if number == last && number != 0 {
            if repeated.len() <= SHOWN && repeated.last() != Some(&number) {
                repeated.push(number);
            }
        } else if number - last > 1 {
            if missing.len() < SHOWN {
                missing.push(match number - last {
                    2 => format!("{}", last + 1),
                    _ => format!("{} to {}", last + 1, number - 1),
                });
            } else {
                more_missing = true;
            }
        }
        last = number;
    }
    let more_repeated = repeated.len() > SHOWN;
    repeated.truncate(SHOWN);
    let repeated: Vec<String> = repeated.iter().map(u64::to_string).collect();
    [
        (missing, more_missing, "never came"),
        (repeated, more_repeated, "came more than once"),
    ]
    .into_iter()
    .filter(|(list, ..)| !list.is_empty())
    .map(|(list, more, what)| {
        let others = if more { " and others" } else { "" };
        format!("result number {}{others} {what}", list.join(", "))
    })
}

/// A result's name as problems show it.
pub(super) fn shown(name: &str, number: u64) -> String {
    if name.is_empty() {
        format!("test {number}")
    } else if name.len() > MAX_NAME_IN_PROBLEM {
        format!("\"{}...\"", head(name, MAX_NAME_IN_PROBLEM))
    } else {
        format!("\"{name}\"")
    }
}

/// So many results.
pub(super) fn results(count: u64) -> String {
    match count {
        1 => "1 result".into(),
        n => format!("{n} results"),
    }
}
