//! What to call a splat, and what to know it by.

use crate::{
    Class, Frame, frame,
    headline::{Culprit, Headline},
};
use sha2::{Digest, Sha256};

/// How many functions go into a fingerprint.
const FUNCTIONS: usize = 3;

/// The title.
pub(crate) fn title(head: &Headline, frames: &[Frame]) -> String {
    let mut title = head.base.clone();
    if let Some(function) = culprit(head, frames) {
        title.push_str(" in ");
        title.push_str(function);
    }
    if let Some(place) = &head.place {
        title.push_str(&format!(" ({place})"));
    }
    title
}

/// The function to blame. A headline may name one that only frees or copies for others (`KASAN: double-free in kfree`).
fn culprit<'a>(head: &'a Headline, frames: &'a [Frame]) -> Option<&'a str> {
    match &head.culprit {
        Culprit::Named(name) if !is_pair(head) && frame::is_generic(name) => {
            Some(frame::significant(frames).next().unwrap_or(name))
        }
        Culprit::Named(name) => Some(name),
        Culprit::Stack => frame::significant(frames).next(),
        Culprit::None => None,
    }
}

/// Whether the headline names two functions that race.
fn is_pair(head: &Headline) -> bool {
    head.class == Class::Kcsan
        && matches!(&head.culprit, Culprit::Named(names) if names.contains(" / "))
}

/// The fingerprint: over class, kind and functions. Lines of source, which move from one kernel to the next, are left out.
pub(crate) fn fingerprint(head: &Headline, frames: &[Frame]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.as_bytes());
        hash.update([0]);
    };
    add(head.class.as_str());
    add(&head.base);
    if let Some((file, _)) = head.place.as_ref().and_then(|place| place.rsplit_once(':')) {
        add(file);
    }
    let mut functions: Vec<&str> = Vec::new();
    functions.extend(culprit(head, frames));
    // Of two that race either may be the one that noticed, and come last; the headline has them in order.
    if head.culprit != Culprit::None && !is_pair(head) {
        for function in frame::significant(frames) {
            if functions.len() == FUNCTIONS {
                break;
            }
            // The place of the CPU is the innermost function of the trace too.
            if functions.last() != Some(&function) {
                functions.push(function);
            }
        }
    }
    functions.iter().for_each(|function| add(function));
    let digest = hash.finalize();
    digest[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
