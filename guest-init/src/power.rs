//! The end of the machine.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rustix::system::{RebootCommand, reboot};
use wire::mark;

use crate::timeline;

/// Prints `reason` where the host finds it when there is no link to say it on: on the console, as a
/// line of its own, and out of the transmitter before this returns.
pub fn say_fatal(reason: &str) {
    let line = format!("{}{}\n", wire::FATAL_PREFIX, reason.replace('\n', " "));
    match OpenOptions::new().write(true).open("/dev/console") {
        Ok(mut console) => {
            let _ = console.write_all(format!("\n{line}").as_bytes());
            let _ = rustix::termios::tcdrain(&console);
        }
        // No console driver claimed the device; the kernel log still reaches an early console.
        Err(_) => {
            if let Ok(mut kmsg) = File::create("/dev/kmsg") {
                let _ = kmsg.write_all(format!("<0>{line}").as_bytes());
            }
        }
    }
}

/// Makes a panic of init end the machine with a reason, instead of a kernel panic that would look
/// like the kernel's own fault.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        say_fatal(&format!("bug in init: {panic}"));
        off();
    }));
}

/// Ends the machine. Nothing is synced: nothing in it outlives it.
pub fn off() -> ! {
    timeline::reached(mark::POWER_OFF);
    // Without ACPI nothing can cut the power, and the kernel turns a power-off into a halt that
    // never ends and that no host can tell from a hang. A restart always ends a test machine.
    let can_power_off = Path::new("/sys/firmware/acpi/tables").exists();
    if can_power_off {
        let _ = reboot(RebootCommand::PowerOff);
    }
    let _ = reboot(RebootCommand::Restart);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}
