//! What the guest's `CPUID` instruction says.

mod leaves;
mod policy;
mod rules;

pub use policy::{CpuidError, CpuidPolicy, policy};
pub use rules::{Change, RULES, Register, Rule, When};
