//! Devices that are not virtio.

mod access;
pub mod acpi_power;
pub mod debug_port;
pub mod end;
pub mod i8042;
pub mod pvpanic;
pub mod rtc;
pub mod serial;

#[cfg(test)]
mod hostile_tests;

pub use acpi_power::AcpiPower;
pub use debug_port::DebugPort;
pub use end::{EndSignal, Ending};
pub use i8042::I8042;
pub use pvpanic::Pvpanic;
pub use rtc::Rtc;
pub use serial::Serial;
