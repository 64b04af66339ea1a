//! What all tables share: who made them, and their header.

use acpi_tables::sdt::Sdt;

/// OEM identifier of every table.
pub(super) const OEM_ID: [u8; 6] = *b"RUNNER";
/// OEM's table identifier, which has to be the same in all tables.
pub(super) const OEM_TABLE_ID: [u8; 8] = *b"RUNNERVM";
/// OEM's revision.
pub(super) const OEM_REVISION: u32 = 1;

/// Bytes of a table's header (ACPI 6.5, section 5.2.6).
const HEADER: u32 = 36;

/// A table with its header: `body` is what follows that.
pub(super) fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut table = Sdt::new(
        signature,
        HEADER,
        revision,
        OEM_ID,
        OEM_TABLE_ID,
        OEM_REVISION,
    );
    table.append_slice(body);
    table.as_slice().to_vec()
}
