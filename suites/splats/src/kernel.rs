//! Which kernel a report is of.

/// Longest name taken, in bytes (`__NEW_UTS_LEN` and a number).
const MAX: usize = 80;

/// The release and the number of the build, `6.12.3 #7`, in a line that tells the taint: `dump_stack_print_info()`
/// (`lib/dump_stack.c`), the lock validator and the hung task's watchdog write both beside it.
pub(crate) fn named(text: &str) -> Option<String> {
    if !text.contains("ainted") {
        return None;
    }
    let mut before = "";
    let mut named = None;
    for word in text.split_whitespace() {
        let is_number = |number: &str| {
            let mut digits = number.bytes();
            digits.next().is_some_and(|b| b.is_ascii_digit()) && digits.all(|b| b.is_ascii_digit())
        };
        let is_release = before.starts_with(|c: char| c.is_ascii_digit()) && before.contains('.');
        if is_release && word.strip_prefix('#').is_some_and(is_number) {
            // A task may call itself so; its name stands before.
            named = Some(format!("{before} {word}"));
        }
        before = word;
    }
    named.filter(|name| name.len() <= MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_stands_beside_its_taint() {
        for line in [
            "CPU: 1 PID: 70 Comm: sh Not tainted 6.12.3-x #7",
            "CPU: 1 UID: 0 PID: 70 Comm: sh Tainted: G        W          6.12.3-x #7 0123456789abcdef0123456789abcdef01234567",
            "6.12.3-x #7 Not tainted",
            "      Not tainted 6.12.3-x #7",
            "CPU: 0 PID: 1 Comm: 2.0 #1 Not tainted 6.12.3-x #7  Debian 6.12.3-1",
        ] {
            assert_eq!(named(line).as_deref(), Some("6.12.3-x #7"), "{line}");
        }
        for line in [
            "Comm: sh 6.12.3 #7",
            "Tainted: [W]=WARN",
            "Not tainted 6.12.3 #x",
            "Not tainted 6.12.3 #",
            "Not tainted six #7",
        ] {
            assert_eq!(named(line), None, "{line}");
        }
        assert_eq!(named(&format!("tainted 6.{} #7", "1".repeat(200))), None);
    }
}
