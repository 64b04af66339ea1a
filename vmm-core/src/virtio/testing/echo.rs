//! A device that writes back what it reads.

use crate::{
    virtio::{ActivateError, Activation, Chain, DeviceQueue, Notifier, Ring, VirtioDevice},
    worker::{Stop, Worker},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::{Arc, Mutex};

/// Two queues, eight bytes of configuration; every chain's readable part is copied to its writable part.
#[derive(Default)]
pub(crate) struct Echo {
    config: [u8; 8],
    worker: Option<Worker<Vec<DeviceQueue>>>,
    /// The notifier of the last activation, for tests to use.
    notifier: Arc<Mutex<Option<Arc<dyn Notifier>>>>,
}

impl Echo {
    pub(crate) const TYPE: u32 = 0x2a;
    pub(crate) const FEATURE: u64 = 1 << 5;

    /// One that leaves its notifier there.
    pub(crate) fn telling(notifier: Arc<Mutex<Option<Arc<dyn Notifier>>>>) -> Self {
        Self {
            notifier,
            ..Self::default()
        }
    }
}

impl VirtioDevice for Echo {
    fn device_type(&self) -> u32 {
        Self::TYPE
    }

    fn name(&self) -> &'static str {
        "echo"
    }

    fn features(&self) -> u64 {
        Self::FEATURE
    }

    fn queue_sizes(&self) -> &[u16] {
        &[16, 8]
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        for (at, byte) in (offset..).zip(data) {
            let known = usize::try_from(at).ok().and_then(|at| self.config.get(at));
            *byte = known.copied().unwrap_or(0);
        }
    }

    fn write_config(&mut self, offset: u64, data: &[u8]) {
        for (at, byte) in (offset..).zip(data) {
            if let Some(known) = usize::try_from(at)
                .ok()
                .and_then(|at| self.config.get_mut(at))
            {
                *known = *byte;
            }
        }
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        assert!(self.worker.is_none(), "activated twice");
        *self.notifier.lock().expect("no panic") = Some(activation.notifier.clone());
        let worker = Worker::spawn("echo", move |stop| run(activation, &stop)).expect("a thread");
        self.worker = Some(worker);
        Ok(())
    }

    fn deactivate(&mut self) -> Vec<DeviceQueue> {
        let worker = self.worker.take();
        worker.map_or_else(Vec::new, |worker| worker.stop().expect("no panic"))
    }
}

fn run(activation: Activation, stop: &Stop) -> Vec<DeviceQueue> {
    let memory = activation.ram.memory();
    let mut rings: Vec<_> = activation
        .queues
        .into_iter()
        .map(|queue| Ring::new(memory, queue, activation.notifier.clone()))
        .collect();
    let mut more = false;
    loop {
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut events = vec![PollFd::new(stop, PollFlags::IN)];
        events.extend(rings.iter().map(|ring| PollFd::new(ring, PollFlags::IN)));
        poll(&mut events, more.then_some(&at_once)).expect("waits");
        let stopped = !events[0].revents().is_empty();
        drop(events);
        if stopped {
            return rings.into_iter().map(Ring::into_queue).collect();
        }
        more = false;
        for ring in &mut rings {
            ring.take_kick();
            more |= ring.drain(echo);
        }
    }
}

fn echo(chain: &Chain<'_>) -> u32 {
    let mut bytes = [0; 256];
    let len = chain.readable().read_at(0, &mut bytes);
    let written = chain.writable().write_at(0, &bytes[..len]);
    u32::try_from(written).expect("small")
}
