//! Finding the virtio-console ports by name.
//!
//! The driver makes a port's device first and learns its name later, from the host; then it adds the
//! file `name` in sysfs and sends a `change` event. So the events are listened to from before the first
//! look, and every event of that class means to look again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with,
};

use crate::failure::{Failure, Result, Trying};

const CLASS: &str = "/sys/class/virtio-ports";

/// Waits until the ports named `names` exist and opens each for reading and writing, non-blocking.
pub fn open<const N: usize>(names: [&str; N], limit: Duration) -> Result<[File; N]> {
    let deadline = Instant::now() + limit;
    let mut events = Events::listen();
    loop {
        let found = names.map(|name| find(Path::new(CLASS), name));
        if found.iter().all(Option::is_some) {
            let files = found
                .into_iter()
                .flatten()
                .map(|device| open_device(&device));
            let files = files.collect::<Result<Vec<_>>>()?;
            return Ok(files.try_into().expect("one file for each of the N names"));
        }
        if let Some(reason) = hopeless(Path::new("/sys/bus/virtio")) {
            return Err(Failure::new(reason));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::new(explain(&names)));
        }
        events.wait(left);
    }
}

/// Waits until the host has opened its end of `port`. Until then writes block and reads see the end of
/// the stream. The host's word arrives right behind the names of the ports, and no event tells of it.
pub fn wait_connected(port: &File, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let mut fds = [PollFd::new(port, PollFlags::OUT)];
        let polled = poll(&mut fds, Some(&Timespec::default()));
        if polled.is_ok() && !fds[0].revents().contains(PollFlags::HUP) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open_device(device: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(device)
        .trying(|| format!("open the virtio-console port {}", device.display()))
}

/// The device node of the port that calls itself `name`.
fn find(class: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(class).ok()?.flatten().find_map(|port| {
        let said = fs::read_to_string(port.path().join("name")).ok()?;
        (said.trim_end() == name).then(|| Path::new("/dev").join(port.file_name()))
    })
}

/// Why no port will ever come, if that is certain: both the bus and the driver exist from the moment
/// their code is in the kernel, whatever the devices do.
fn hopeless(bus: &Path) -> Option<&'static str> {
    if !bus.exists() {
        Some(
            "this kernel has no virtio: it needs CONFIG_VIRTIO with CONFIG_VIRTIO_PCI or \
             CONFIG_VIRTIO_MMIO, built in or as a module in the initramfs",
        )
    } else if !bus.join("drivers/virtio_console").exists() {
        Some(
            "this kernel has no virtio-console driver: it needs CONFIG_VIRTIO_CONSOLE, built in or \
             as a module in the initramfs",
        )
    } else {
        None
    }
}

fn explain(names: &[&str]) -> String {
    let devices = fs::read_dir("/sys/bus/virtio/devices").map_or(0, Iterator::count);
    let wanted = names.join(" and ");
    if devices == 0 {
        format!(
            "no virtio device was found, so the ports {wanted} cannot come: the kernel needs the \
             transport of this machine, CONFIG_VIRTIO_PCI or CONFIG_VIRTIO_MMIO"
        )
    } else {
        format!("{devices} virtio devices were found, none with the ports {wanted}")
    }
}

/// The kernel's device events, or short sleeps where it has no netlink.
struct Events(Option<OwnedFd>);

impl Events {
    fn listen() -> Self {
        let open = || -> io::Result<OwnedFd> {
            let socket = socket_with(
                AddressFamily::NETLINK,
                SocketType::RAW,
                SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                Some(netlink::KOBJECT_UEVENT),
            )?;
            const FROM_KERNEL: u32 = 1;
            bind(&socket, &netlink::SocketAddrNetlink::new(0, FROM_KERNEL))?;
            Ok(socket)
        };
        Self(open().ok())
    }

    /// Returns when a port may have come or changed, or after `limit`.
    fn wait(&mut self, limit: Duration) {
        let Some(socket) = &self.0 else {
            std::thread::sleep(limit.min(Duration::from_millis(5)));
            return;
        };
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("seconds, not centuries");
            let mut fds = [PollFd::new(socket, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => return,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    self.0 = None;
                    return;
                }
            }
            let mut look = false;
            let mut event = [0; 8192];
            loop {
                match recv(socket, &mut event[..], RecvFlags::DONTWAIT) {
                    Ok((_, length)) => look |= is_port_event(&event[..length.min(event.len())]),
                    // Events were lost: whatever they said, look.
                    Err(rustix::io::Errno::NOBUFS) => look = true,
                    Err(_) => break,
                }
            }
            if look {
                return;
            }
        }
    }
}

/// Whether a device event (`ACTION@PATH`, then `KEY=value`, each ended by a zero byte) is about a
/// virtio-console port.
fn is_port_event(event: &[u8]) -> bool {
    event
        .split(|byte| *byte == 0)
        .any(|field| field == b"SUBSYSTEM=virtio-ports")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_of_the_port_class_count() {
        let port = b"change@/devices/x/virtio-ports/vport1p1\0ACTION=change\0DEVPATH=/devices/x\0SUBSYSTEM=virtio-ports\0MAJOR=243\0SEQNUM=5\0";
        let disk = b"add@/devices/virtio-ports\0ACTION=add\0SUBSYSTEM=block\0NAME=SUBSYSTEM=virtio-ports\0";
        assert!(is_port_event(port));
        assert!(!is_port_event(disk));
        assert!(!is_port_event(b""));
    }

    #[test]
    fn a_port_is_found_by_the_name_it_gives_itself() {
        let class = tempfile::tempdir().expect("temporary directory");
        for (port, name) in [("vport0p0", None), ("vport0p1", Some("a.b\n"))] {
            let directory = class.path().join(port);
            fs::create_dir(&directory).expect("directory");
            if let Some(name) = name {
                fs::write(directory.join("name"), name).expect("file");
            }
        }
        assert_eq!(find(class.path(), "a.b"), Some("/dev/vport0p1".into()));
        assert_eq!(find(class.path(), "a"), None);
        assert_eq!(find(&class.path().join("none"), "a.b"), None);
    }

    #[test]
    fn a_kernel_without_the_drivers_is_told_at_once() {
        let bus = tempfile::tempdir().expect("temporary directory");
        let none = bus.path().join("virtio");
        assert!(hopeless(&none).is_some_and(|why| why.contains("CONFIG_VIRTIO ")));
        fs::create_dir_all(none.join("drivers")).expect("directory");
        assert!(hopeless(&none).is_some_and(|why| why.contains("CONFIG_VIRTIO_CONSOLE")));
        fs::create_dir_all(none.join("drivers/virtio_console")).expect("directory");
        assert_eq!(hopeless(&none), None);
    }
}
