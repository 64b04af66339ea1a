//! Accesses wider than a register.

/// The offsets of an access's bytes, from `offset` on: on the bus of a PC, a wide access to byte registers is as many
/// narrow ones.
pub(super) fn offsets(offset: u64) -> impl Iterator<Item = u64> {
    (0..).map(move |byte| offset.saturating_add(byte))
}
