//! The one error of init: a sentence.
//!
//! Nothing here is recovered from by kind. A failure ends in front of a person, so it is made of
//! what was tried and why it did not work, and nothing else.

use std::fmt;

/// A plain sentence such as `cannot mount /proc: No such device (os error 19)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

/// What everything that can fail returns.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was being tried when something failed.
pub trait Trying<T> {
    /// `action` completes the words "cannot ...".
    fn trying(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Trying<T> for std::result::Result<T, E> {
    fn trying(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure(format!("cannot {}: {error}", action())))
    }
}
