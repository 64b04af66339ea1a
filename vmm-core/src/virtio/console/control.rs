//! Control messages: which ports there are, and who has them open (virtio 1.2, 5.3.6.2).
//!
//! The guest may send any message at any time, as often as it likes, and need not take what is sent to it. What waits
//! to be sent is therefore no list of messages but a few bits a port, from which the messages are made when there is
//! room for them.
//!
//! ```text
//! guest                     device
//! DEVICE_READY 1   ------>
//!                  <------  PORT_ADD                        for each port
//! PORT_READY 1     ------>
//!                  <------  CONSOLE_PORT 1, PORT_NAME       where it is one, where it has one
//!                  <------  PORT_OPEN 1                     where the host's end is open
//! PORT_OPEN 1 / 0  ------>                                  a process opens or closes it
//!                  <------  PORT_OPEN 0                     the host has closed its end
//! ```

/// Bytes of a message without its name.
pub const HEADER: usize = 8;

/// `VIRTIO_CONSOLE_*`, the events.
pub mod event {
    /// The driver is there, or could not start.
    pub const DEVICE_READY: u16 = 0;
    /// There is a port.
    pub const PORT_ADD: u16 = 1;
    /// The driver has the port, or could not add it.
    pub const PORT_READY: u16 = 3;
    /// The port is a console.
    pub const CONSOLE_PORT: u16 = 4;
    /// The sender's end was opened or closed.
    pub const PORT_OPEN: u16 = 6;
    /// The port has a name.
    pub const PORT_NAME: u16 = 7;
}

/// One message, without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Port.
    pub id: u32,
    /// One of [`event`].
    pub event: u16,
    /// What it means depends on the event.
    pub value: u16,
}

impl Message {
    /// A message as it lies in memory.
    #[must_use]
    pub fn decode(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            id: u32::from_le_bytes([a, b, c, d]),
            event: u16::from_le_bytes([e, f]),
            value: u16::from_le_bytes([g, h]),
        }
    }

    /// The message as it lies in memory.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER] {
        let [a, b, c, d] = self.id.to_le_bytes();
        let [e, f] = self.event.to_le_bytes();
        let [g, h] = self.value.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

/// What the guest is told of a port; fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Description {
    /// Not there: the guest never hears of it.
    Absent,
    /// A console.
    Console,
    /// A port with this name.
    Named(String),
}

/// The state of all ports, as far as both sides have told.
#[derive(Debug)]
pub struct Control {
    ports: Vec<Port>,
}

#[derive(Debug)]
struct Port {
    description: Description,
    host_open: bool,
    guest_ready: bool,
    guest_open: bool,
    unsent: Unsent,
}

/// Messages to be sent, in this order.
#[derive(Debug, Clone, Copy, Default)]
struct Unsent {
    add: bool,
    describe: bool,
    open: bool,
}

impl Control {
    /// Ports 0 and on; the host's ends are open.
    #[must_use]
    pub fn new(descriptions: Vec<Description>) -> Self {
        let port = |description| Port {
            host_open: description != Description::Absent,
            description,
            guest_ready: false,
            guest_open: false,
            unsent: Unsent::default(),
        };
        Self {
            ports: descriptions.into_iter().map(port).collect(),
        }
    }

    /// Forgets what the guest said: there is a new driver.
    pub fn reset(&mut self) {
        for port in &mut self.ports {
            port.guest_ready = false;
            port.guest_open = false;
            port.unsent = Unsent::default();
        }
    }

    /// The driver knows no control messages: there is port 0, and it is always open (virtio 1.2, 5.3.4).
    pub fn open_single_port(&mut self) {
        self.reset();
        if let Some(port) = self.ports.first_mut() {
            port.guest_open = true;
        }
    }

    /// Takes a message of the guest. One that makes no sense is ignored.
    pub fn receive(&mut self, message: Message) {
        if message.event == event::DEVICE_READY {
            self.reset();
            for port in &mut self.ports {
                port.unsent.add = message.value == 1 && port.description != Description::Absent;
            }
            return;
        }
        let index = usize::try_from(message.id).expect("64-bit host");
        let Some(port) = self.ports.get_mut(index) else {
            return;
        };
        if port.description == Description::Absent {
            return;
        }
        match message.event {
            event::PORT_READY => {
                port.guest_ready = message.value == 1;
                port.guest_open &= port.guest_ready;
                port.unsent.describe = port.guest_ready;
                port.unsent.open = port.guest_ready && port.host_open;
            }
            event::PORT_OPEN => port.guest_open = port.guest_ready && message.value == 1,
            _ => {}
        }
    }

    /// The host has closed its end of a port, for ever.
    pub fn close_host_end(&mut self, port: u16) {
        let port = &mut self.ports[usize::from(port)];
        if port.host_open {
            port.host_open = false;
            port.unsent.open = port.guest_ready;
        }
    }

    /// Whether a process of the guest has the port open.
    #[must_use]
    pub fn is_open(&self, port: u16) -> bool {
        self.ports[usize::from(port)].guest_open
    }

    /// Whether there is a message to send.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.ports
            .iter()
            .any(|p| p.unsent.add || p.unsent.describe || p.unsent.open)
    }

    /// The next message to send, as it lies in memory.
    pub fn next_unsent(&mut self) -> Option<Vec<u8>> {
        (0..)
            .zip(&mut self.ports)
            .find_map(|(id, port)| port.next_unsent(id))
    }
}

impl Port {
    fn next_unsent(&mut self, id: u32) -> Option<Vec<u8>> {
        let message = |event, value| Message { id, event, value }.encode().to_vec();
        if std::mem::take(&mut self.unsent.add) {
            return Some(message(event::PORT_ADD, 1));
        }
        if std::mem::take(&mut self.unsent.describe) {
            return match &self.description {
                Description::Absent => None,
                Description::Console => Some(message(event::CONSOLE_PORT, 1)),
                Description::Named(name) => {
                    Some([&message(event::PORT_NAME, 1), name.as_bytes()].concat())
                }
            };
        }
        let open = std::mem::take(&mut self.unsent.open);
        open.then(|| message(event::PORT_OPEN, self.host_open.into()))
    }
}

#[cfg(test)]
mod tests;
