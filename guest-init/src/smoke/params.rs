//! The `key=value` words that a check compares with.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::report::Verdict;

/// Parameters in the order given; a key may come several times.
#[derive(Debug, PartialEq, Eq)]
pub struct Params(Vec<(Vec<u8>, Vec<u8>)>);

impl Params {
    /// The error names the word that has no `=`.
    pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let split = |word: OsString| {
            let word = word.into_vec();
            let Some(equals) = word.iter().position(|byte| *byte == b'=') else {
                let word = String::from_utf8_lossy(&word);
                return Err(format!("the parameter {word} is not of the form key=value"));
            };
            Ok((word[..equals].to_vec(), word[equals + 1..].to_vec()))
        };
        words.map(split).collect::<Result<_, _>>().map(Self)
    }

    /// Every value of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let matching = self.0.iter().filter(move |(k, _)| k == key.as_bytes());
        matching.map(|(_, value)| value.as_slice())
    }

    /// The number that `key` is set to; without it, or with something else, the check was asked for
    /// wrongly.
    pub fn number(&self, key: &str) -> Result<u64, Verdict> {
        let value = self.all(key).next();
        let value =
            value.ok_or_else(|| Verdict::Misuse(format!("the parameter {key}= is missing")))?;
        let number = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
        number.ok_or_else(|| {
            let value = String::from_utf8_lossy(value);
            Verdict::Misuse(format!("{key}={value} is not a number"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Params, String> {
        Params::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn words_are_split_at_the_first_equals_sign() {
        let params = parse(&["file=a=b", "n=5", "file=c"]).expect("well formed");
        let files: Vec<_> = params.all("file").collect();
        assert_eq!(files, [&b"a=b"[..], b"c"]);
        assert!(matches!(params.number("n"), Ok(5)));
    }

    #[test]
    fn wrong_words_are_named() {
        assert!(parse(&["nonsense"]).is_err_and(|e| e.contains("nonsense")));
        let params = parse(&["n=many"]).expect("well formed");
        assert!(matches!(params.number("n"), Err(Verdict::Misuse(why)) if why.contains("n=many")));
        assert!(matches!(params.number("m"), Err(Verdict::Misuse(why)) if why.contains("m=")));
    }
}
