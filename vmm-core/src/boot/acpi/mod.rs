//! The ACPI tables of a machine.
