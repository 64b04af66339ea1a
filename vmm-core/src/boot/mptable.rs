//! The MP table, for kernels without ACPI (Intel MultiProcessor Specification 1.4).
