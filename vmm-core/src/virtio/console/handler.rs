//! The worker of an active device: one thread for all ports.
//!
//! It waits for whatever can be done next and for nothing else: for a kick of a queue from the guest unless its socket
//! is full, for a kick of a queue to the guest only when a buffer is missed, for a socket to be readable only while the
//! guest has the port open and a buffer for it, and for one to be writable only while something is to be sent.

use super::{
    control::{Control, HEADER, Message},
    host_end::HostEnd,
    port::Port,
    port_map::{Role, role},
    rx::Rx,
    tx::Tx,
};
use crate::{
    virtio::{
        device::{DeviceQueue, Notifier},
        iov::Chain,
        ring::Ring,
    },
    worker::Stop,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    time::Timespec,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vm_memory::GuestMemoryMmap;

/// At the end: how long hosts that take nothing are waited for.
const STALL: Duration = Duration::from_millis(200);
/// At the end: how long in all.
const DRAIN: Duration = Duration::from_secs(1);

/// What is there while the device is inactive.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) control: Control,
    /// The host's ends of ports 0 and on.
    pub(super) hosts: Vec<HostEnd>,
}

/// An active device.
pub(super) struct Handler<'m> {
    control: Control,
    ports: Vec<Port<'m>>,
    control_rx: Option<Rx<'m>>,
    control_tx: Option<Ring<'m>>,
    /// The driver may have sent control messages.
    control_due: bool,
    /// Queues without a port.
    unused: Vec<DeviceQueue>,
}

/// What a descriptor that is waited for belongs to; numbers are those of ports.
#[derive(Clone, Copy)]
enum Source {
    Stop,
    ControlRx,
    ControlTx,
    Rx(usize),
    Tx(usize),
    Host(usize),
}

impl<'m> Handler<'m> {
    pub(super) fn new(
        memory: &'m GuestMemoryMmap,
        ends: Ends,
        queues: Vec<DeviceQueue>,
        notifier: &Arc<dyn Notifier>,
    ) -> Self {
        let mut handler = Self {
            control: ends.control,
            ports: ends.hosts.into_iter().map(Port::new).collect(),
            control_rx: None,
            control_tx: None,
            control_due: true,
            unused: Vec::new(),
        };
        for queue in queues {
            handler.place(memory, queue, notifier.clone());
        }
        handler
    }

    fn place(
        &mut self,
        memory: &'m GuestMemoryMmap,
        queue: DeviceQueue,
        notifier: Arc<dyn Notifier>,
    ) {
        let role = role(queue.index);
        let port = match role {
            Role::Rx(port) | Role::Tx(port) => self.ports.get_mut(usize::from(port)),
            Role::ControlRx | Role::ControlTx => None,
        };
        let ring = |queue| Ring::new(memory, queue, notifier);
        match (role, port) {
            (Role::ControlRx, _) => self.control_rx = Some(Rx::new(ring(queue))),
            (Role::ControlTx, _) => self.control_tx = Some(ring(queue)),
            (Role::Rx(_), Some(port)) => port.rx = Some(Rx::new(ring(queue))),
            (Role::Tx(_), Some(port)) => port.tx = Some(Tx::new(ring(queue))),
            (Role::Rx(_) | Role::Tx(_), None) => self.unused.push(queue),
        }
    }

    /// Works until `stop`, and then sends what the driver has offered already.
    pub(super) fn run(&mut self, stop: &Stop) {
        loop {
            let more = self.work();
            if self.wait(stop, more) {
                break;
            }
        }
        self.drain();
    }

    /// Gives back what it was made of.
    pub(super) fn finish(self) -> (Vec<DeviceQueue>, Ends) {
        let mut queues = self.unused;
        let control_rx = self.control_rx.map(Rx::into_ring);
        let control = [control_rx, self.control_tx].into_iter().flatten();
        queues.extend(control.map(Ring::into_queue));
        let mut hosts = Vec::new();
        for port in self.ports {
            let (host, rings) = port.finish();
            hosts.push(host);
            queues.extend(rings);
        }
        queues.sort_by_key(|queue| queue.index);
        let control = self.control;
        (queues, Ends { control, hosts })
    }

    /// Does everything that is due. Whether there is more to do at once.
    fn work(&mut self) -> bool {
        if std::mem::take(&mut self.control_due)
            && let Some(ring) = &mut self.control_tx
        {
            self.control_due = ring.drain(|chain| {
                receive_message(&mut self.control, chain);
                0
            });
        }
        let mut more = self.control_due;
        for (number, port) in (0..).zip(&mut self.ports) {
            more |= port.work(self.control.is_open(number));
            if port.host.is_closed() {
                self.control.close_host_end(number);
            }
        }
        self.send_messages();
        more
    }

    fn send_messages(&mut self) {
        let Some(rx) = &mut self.control_rx else {
            return;
        };
        while self.control.has_unsent()
            && rx.has_buffers()
            && let Some(chain) = rx.buffer()
        {
            let message = self.control.next_unsent().unwrap_or_default();
            let written = chain.writable().write_at(0, &message);
            let written = u32::try_from(written).expect("a message is short");
            rx.ring().add_used(chain.head(), written);
        }
        rx.ring().notify();
    }

    /// Waits until something is due; not at all where there is `more`. Whether it is the end.
    fn wait(&mut self, stop: &Stop, more: bool) -> bool {
        let (sources, mut fds) = self.watched(stop);
        let timeout = more.then_some(Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        });
        wait(&mut fds, timeout.as_ref());
        let ready: Vec<_> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        let mut stopped = false;
        for (source, events) in sources.into_iter().zip(ready) {
            if !events.is_empty() {
                stopped |= matches!(source, Source::Stop);
                self.due(source, events);
            }
        }
        stopped
    }

    fn watched<'a>(&'a self, stop: &'a Stop) -> (Vec<Source>, Vec<PollFd<'a>>) {
        let mut sources = vec![Source::Stop];
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        let mut kick = |source, ring: Option<&'a Ring<'m>>| {
            if let Some(ring) = ring {
                sources.push(source);
                fds.push(PollFd::new(ring, PollFlags::IN));
            }
        };
        kick(Source::ControlTx, self.control_tx.as_ref());
        let missed = self.control_rx.as_ref().and_then(Rx::waits_for_kick);
        kick(Source::ControlRx, missed);
        for (i, port) in self.ports.iter().enumerate() {
            let missed = port.rx.as_ref().and_then(Rx::waits_for_kick);
            kick(Source::Rx(i), missed);
            let offered = port.tx.as_ref().filter(|_| !port.is_blocked());
            kick(Source::Tx(i), offered.map(Tx::ring));
        }
        for (i, (number, port)) in (0..).zip(&self.ports).enumerate() {
            let interest = port.interest(self.control.is_open(number));
            if let (Some(socket), Some(interest)) = (port.host.socket(), interest) {
                sources.push(Source::Host(i));
                fds.push(PollFd::new(socket, interest));
            }
        }
        (sources, fds)
    }

    fn due(&mut self, source: Source, events: PollFlags) {
        match source {
            Source::Stop => {}
            Source::ControlTx => {
                self.control_tx.as_mut().map(Ring::take_kick);
                self.control_due = true;
            }
            Source::ControlRx => {
                self.control_rx.as_mut().map(Rx::take_kick);
            }
            Source::Rx(i) => {
                self.ports[i].rx.as_mut().map(Rx::take_kick);
            }
            Source::Tx(i) => {
                self.ports[i].tx.as_mut().map(Tx::take_kick);
                self.ports[i].tx_due = true;
            }
            Source::Host(i) => self.ports[i].socket_ready(events),
        }
    }

    /// Sends what the driver has offered, as long as the hosts take it: the last words of a guest.
    fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN;
        loop {
            let mut more = false;
            for port in &mut self.ports {
                more |= port.pump_tx();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds: Vec<_> = self
                .ports
                .iter()
                .filter(|port| port.is_blocked())
                .filter_map(|port| Some(PollFd::new(port.host.socket()?, PollFlags::OUT)))
                .collect();
            if left.is_zero() || fds.is_empty() && !more {
                return;
            }
            let patience = if more {
                Duration::ZERO
            } else {
                left.min(STALL)
            };
            let timeout = Timespec::try_from(patience).expect("seconds");
            if wait(&mut fds, Some(&timeout)) == 0 && !more {
                return;
            }
        }
    }
}

/// How many are ready; some are, perhaps, where a signal came.
fn wait(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> usize {
    loop {
        match poll(fds, timeout) {
            Ok(ready) => return ready,
            Err(Errno::INTR) => {}
            Err(error) => panic!("poll(2) of open descriptors: {error}"),
        }
    }
}

fn receive_message(control: &mut Control, chain: &Chain<'_>) {
    let mut header = [0; HEADER];
    if chain.readable().read_at(0, &mut header) == HEADER {
        control.receive(Message::decode(header));
    }
}
