//! What a script asks for: its interpreter, and the words in it that may be commands or files.

/// Longest script that is read, in bytes.
pub const MAX_SCRIPT: usize = 1 << 20;

/// Words that are looked at in one script.
const MAX_WORDS: usize = 20_000;

/// The words of a script's first line, `#!/usr/bin/env python3`: the interpreter and its arguments.
#[must_use]
pub fn shebang(content: &[u8]) -> Option<Vec<String>> {
    let line = content.strip_prefix(b"#!")?;
    // The kernel looks no further (BINPRM_BUF_SIZE, `include/uapi/linux/binfmts.h`).
    let line = line.get(..254).unwrap_or(line);
    let line = line.split(|&byte| byte == b'\n').next()?;
    let text = std::str::from_utf8(line).ok()?;
    let words: Vec<String> = text.split_whitespace().map(Into::into).collect();
    (!words.is_empty()).then_some(words)
}

/// The words of a text that could be names of commands or paths, each once, in order of first mention.
#[must_use]
pub fn words(content: &[u8]) -> Vec<&str> {
    let content = content.get(..MAX_SCRIPT).unwrap_or(content);
    let may_be_in_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-[".contains(byte);
    let mut seen = std::collections::HashSet::new();
    content
        .split(|byte| !may_be_in_a_name(byte))
        .filter_map(|word| std::str::from_utf8(word).ok())
        .filter(|word| !word.is_empty() && word.len() <= 256 && seen.insert(*word))
        .take(MAX_WORDS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_the_first_word() {
        assert_eq!(
            shebang(b"#! /usr/bin/env  python3\nimport os"),
            Some(vec!["/usr/bin/env".into(), "python3".into()])
        );
        assert_eq!(shebang(b"#!/bin/sh"), Some(vec!["/bin/sh".into()]));
        assert_eq!(shebang(b"#!\n"), None);
        assert_eq!(shebang(b"echo"), None);
        assert_eq!(shebang(b"#!\xff\n"), None);
    }

    #[test]
    fn words_are_found_between_everything_that_separates_them() {
        assert_eq!(
            words(b"if [ $(id -u) = 0 ]; then\n  /sbin/ip link|grep lo; fi; id"),
            [
                "if", "[", "id", "-u", "0", "then", "/sbin/ip", "link", "grep", "lo", "fi"
            ]
        );
        assert!(words(&[0xff; 100]).is_empty());
    }
}
