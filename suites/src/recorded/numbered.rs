//! Tests that are called `GROUP/NUMBER`.

use super::{RecordedEnd, Shelf, result::message};
use crate::{TestId, ktap::Document};

/// Puts such tests on the shelf: `generic/001` is `SUITE:generic:001`.
pub(crate) fn numbered(suite: &str, document: Document, shelf: &mut Shelf) {
    for (outcome, count) in document.overflow {
        shelf.uncounted(outcome, count);
    }
    for point in document.results {
        let id = match point.name.split_once('/') {
            Some((group, number)) => TestId::grouped(suite, group, number),
            None => TestId::new(suite, &point.name),
        };
        let end = RecordedEnd::Said {
            outcome: point.outcome,
            message: message(&point),
        };
        shelf.add(id, end, Document::default());
    }
}
