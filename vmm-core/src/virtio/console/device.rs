//! The configuration face of the console, and its life cycle.
//!
//! What the guest may do: write any bytes to any port, as many as it likes, which wait in its own memory until the
//! host takes them; send any control messages ([`super::control`]); offer any chains; reset the device at any moment.
//! What it makes the device keep is bounded: a few bits a port, and the rest of one chain a port when it is reset.
//!
//! Virtio 1.2, 5.3; Linux `drivers/char/virtio_console.c`.

use super::{
    control::{Control, Description},
    handler::{Ends, Handler},
    host_end::HostEnd,
    port_map,
};
use crate::{
    config::MAX_PORTS,
    virtio::device::{ActivateError, Activation, DeviceQueue, VirtioDevice},
    worker::Worker,
};
use std::{io, os::unix::net::UnixStream};

/// Device type (virtio 1.2, 5.3.1).
const DEVICE_TYPE: u32 = 3;
const NAME: &str = "console";
/// `VIRTIO_CONSOLE_F_MULTIPORT`: there are control messages and more ports than one.
const F_MULTIPORT: u64 = 1 << 1;

const CONTROL_RX: u16 = 2;
const CONTROL_TX: u16 = 3;

/// Linux fills queues to the guest with pages.
const RX_SIZE: u16 = 32;
/// Chains that a guest may have under way before it waits.
const TX_SIZE: u16 = 128;

/// Longest port name in bytes.
const MAX_NAME: usize = 255;

/// A console and named ports, all on one worker.
///
/// Port 0 is the console. Where there is none, a driver of several ports never hears of port 0, and what one of a
/// single port writes there goes nowhere.
pub struct Console {
    ports: u16,
    queue_sizes: Vec<u16>,
    /// There while inactive.
    ends: Option<Ends>,
    worker: Option<Worker<(Vec<DeviceQueue>, Ends)>>,
}

impl Console {
    /// `console` is the host's end of the console; `ports` are the names of ports 1 and on with the host's ends.
    /// Whether the sockets block does not matter.
    ///
    /// # Errors
    /// `InvalidInput` where there are more than [`MAX_PORTS`] named ports, or a name is empty, longer than 255 bytes or
    /// has a NUL.
    pub fn new(console: Option<UnixStream>, ports: Vec<(String, UnixStream)>) -> io::Result<Self> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        if ports.len() > MAX_PORTS {
            return Err(invalid(format!(
                "{} console ports: at most {MAX_PORTS}",
                ports.len()
            )));
        }
        let first = match console {
            Some(_) => Description::Console,
            None => Description::Absent,
        };
        let mut descriptions = vec![first];
        let mut hosts = vec![HostEnd::new(console)];
        for (name, socket) in ports {
            if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') {
                return Err(invalid(format!("no name for a console port: {name:?}")));
            }
            descriptions.push(Description::Named(name));
            hosts.push(HostEnd::new(Some(socket)));
        }
        let count = u16::try_from(hosts.len()).expect("few");
        let size = |queue| match port_map::role(queue) {
            port_map::Role::Tx(_) => TX_SIZE,
            _ => RX_SIZE,
        };
        Ok(Self {
            ports: count,
            queue_sizes: (0..port_map::queues(count)).map(size).collect(),
            ends: Some(Ends {
                control: Control::new(descriptions),
                hosts,
            }),
            worker: None,
        })
    }

    /// `struct virtio_console_config` (virtio 1.2, 5.3.4).
    fn config(&self) -> [u8; 12] {
        let mut config = [0; 12];
        config[4..8].copy_from_slice(&u32::from(self.ports).to_le_bytes());
        config
    }
}

impl VirtioDevice for Console {
    fn device_type(&self) -> u32 {
        DEVICE_TYPE
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> u64 {
        F_MULTIPORT
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        let config = self.config();
        let start = usize::try_from(offset).map_or(config.len(), |o| o.min(config.len()));
        let rest = &config[start..];
        let len = rest.len().min(data.len());
        data.fill(0);
        data[..len].copy_from_slice(&rest[..len]);
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let Activation {
            ram,
            features,
            queues,
            notifier,
        } = activation;
        let multiport = features & F_MULTIPORT != 0;
        for queue in [CONTROL_RX, CONTROL_TX] {
            if multiport && !queues.iter().any(|q| q.index == queue) {
                return Err(ActivateError::MissingQueue {
                    device: NAME,
                    queue,
                });
            }
        }
        let failed = |source| ActivateError::Host {
            device: NAME,
            action: "start the worker",
            source,
        };
        let mut ends = self
            .ends
            .take()
            .ok_or_else(|| failed(io::Error::other("an earlier one was lost")))?;
        if !multiport {
            ends.control.open_single_port();
        }
        let worker = Worker::spawn(NAME, move |stop| {
            let mut handler = Handler::new(ram.memory(), ends, queues, &notifier);
            handler.run(&stop);
            handler.finish()
        })
        .map_err(failed)?;
        self.worker = Some(worker);
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(ends) = &mut self.ends {
            ends.control.reset();
        }
    }

    /// Bytes that the guest has written reach the sockets first, as far as their readers take them.
    fn deactivate(&mut self) -> Vec<DeviceQueue> {
        match self.worker.take().and_then(Worker::stop) {
            Some((queues, ends)) => {
                self.ends = Some(ends);
                queues
            }
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
