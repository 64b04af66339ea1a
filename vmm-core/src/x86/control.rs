//! Bits of the registers that switch a processor's modes (Intel SDM volume 3, 2.5 "Control Registers", 2.2.1 "Extended Feature
//! Enable Register", and volume 1, 3.4.3 "EFLAGS Register").

/// Protected mode.
pub const CR0_PE: u64 = 1 << 0;
/// `WAIT` heeds `CR0.TS`.
pub const CR0_MP: u64 = 1 << 1;
/// Always set.
pub const CR0_ET: u64 = 1 << 4;
/// Errors of the floating-point unit are exceptions.
pub const CR0_NE: u64 = 1 << 5;
/// Addresses are translated.
pub const CR0_PG: u64 = 1 << 31;
/// Page tables of 64-bit entries.
pub const CR4_PAE: u64 = 1 << 5;
/// The system saves SSE state.
pub const CR4_OSFXSR: u64 = 1 << 9;
/// The system handles SSE exceptions.
pub const CR4_OSXMMEXCPT: u64 = 1 << 10;
/// Five levels of page tables.
pub const CR4_LA57: u64 = 1 << 12;
/// 64-bit mode is asked for.
pub const EFER_LME: u64 = 1 << 8;
/// 64-bit mode is active.
pub const EFER_LMA: u64 = 1 << 10;
/// RFLAGS with interrupts off; bit 1 is always set.
pub const RFLAGS: u64 = 1 << 1;
