//! The MSI-X table and pending bits (PCI Local Bus 3.0, 6.8.2).
//!
//! The guest writes any message into any entry at any time. A message is handed to the hypervisor when its vector is
//! unmasked, and again only when it has changed.

use super::interrupts::Vector;

/// Bytes of a table entry: address (8), data (4), control (4, bit 0 masks).
pub(super) const ENTRY: usize = 16;
const CONTROL: usize = 12;

/// The table of one function.
pub(super) struct MsixTable {
    entries: Vec<Entry>,
    enabled: bool,
    masked: bool,
}

#[derive(Clone)]
struct Entry {
    bytes: [u8; ENTRY],
    /// The message that the hypervisor has.
    routed: Option<(u64, u32)>,
}

impl Entry {
    fn message(&self) -> (u64, u32) {
        let (address, rest) = self.bytes.split_first_chunk().expect("16 bytes");
        let (data, _) = rest.split_first_chunk().expect("8 bytes");
        (u64::from_le_bytes(*address), u32::from_le_bytes(*data))
    }

    fn is_masked(&self) -> bool {
        self.bytes[CONTROL] & 1 != 0
    }
}

impl MsixTable {
    /// A table of `len` masked entries.
    pub(super) fn new(len: usize) -> Self {
        let mut bytes = [0; ENTRY];
        bytes[CONTROL] = 1;
        Self {
            entries: vec![
                Entry {
                    bytes,
                    routed: None,
                };
                len
            ],
            enabled: false,
            masked: false,
        }
    }

    /// Follows the capability: whether MSI-X is enabled, and whether all vectors are masked.
    pub(super) fn configure(&mut self, enabled: bool, masked: bool, vectors: &[Vector]) {
        if (enabled, masked) == (self.enabled, self.masked) {
            return;
        }
        (self.enabled, self.masked) = (enabled, masked);
        for (entry, vector) in self.entries.iter_mut().zip(vectors) {
            if !enabled {
                vector.forget();
            }
            entry.apply(enabled && !masked, vector);
        }
    }

    /// Fills `data` from the table at `offset`; zeros beyond its end.
    pub(super) fn read(&self, offset: usize, data: &mut [u8]) {
        for (at, byte) in (offset..).zip(data) {
            *byte = self
                .entries
                .get(at / ENTRY)
                .map_or(0, |entry| entry.bytes[at % ENTRY]);
        }
    }

    /// Takes a write to the table at `offset`. Only whole, aligned words of 4 or 8 bytes count, as the specification
    /// demands of software.
    pub(super) fn write(&mut self, offset: usize, data: &[u8], vectors: &[Vector]) {
        if !matches!(data.len(), 4 | 8) || !offset.is_multiple_of(data.len()) {
            return;
        }
        let index = offset / ENTRY;
        let (Some(entry), Some(vector)) = (self.entries.get_mut(index), vectors.get(index)) else {
            return;
        };
        entry.bytes[offset % ENTRY..][..data.len()].copy_from_slice(data);
        entry.apply(self.enabled && !self.masked, vector);
    }

    /// Fills `data` from the pending bits at `offset`; zeros beyond their end.
    pub(super) fn read_pending(offset: usize, data: &mut [u8], vectors: &[Vector]) {
        for (at, byte) in (offset..).zip(data) {
            let bits = vectors.iter().skip(at.saturating_mul(8)).take(8);
            *byte = (0..)
                .zip(bits)
                .map(|(bit, vector)| u8::from(vector.is_pending()) << bit)
                .sum();
        }
    }
}

impl Entry {
    /// Has the vector do what the entry says; `open` is whether the function as a whole is enabled and not masked.
    fn apply(&mut self, open: bool, vector: &Vector) {
        if !open || self.is_masked() {
            vector.mask();
            return;
        }
        let message = self.message();
        if self.routed != Some(message) {
            // A message that the hypervisor does not take interrupts nobody, which hurts only this guest.
            let (address, data) = message;
            self.routed = vector.msi.route(address, data).is_ok().then_some(message);
        }
        vector.unmask();
    }
}
