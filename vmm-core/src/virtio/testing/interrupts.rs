//! Interrupt controllers that remember.

use crate::{
    irq::{Doorbell, InterruptController, LevelLine, MsiVector},
    virtio::Notifier,
};
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

fn event() -> EventFd {
    EventFd::new(EFD_NONBLOCK).expect("a descriptor")
}

/// A whole machine's interrupts.
#[derive(Default)]
pub(crate) struct FakeInterrupts {
    pub(crate) edges: Mutex<BTreeMap<u32, EventFd>>,
    pub(crate) lines: Mutex<BTreeMap<u32, Arc<FakeLine>>>,
    pub(crate) vectors: Mutex<Vec<Arc<FakeVector>>>,
    pub(crate) doorbells: Mutex<Vec<(Doorbell, EventFd)>>,
}

impl FakeInterrupts {
    /// What the hypervisor does on a write of the guest: whether someone wants it.
    pub(crate) fn ring(&self, address: u64, value: u32) -> bool {
        let doorbells = self.doorbells.lock().expect("no panic");
        let wanted = doorbells.iter().find(|(doorbell, _)| {
            doorbell.address == address && doorbell.value.is_none_or(|v| v == value)
        });
        wanted.is_some_and(|(_, event)| event.write(1).is_ok())
    }

    pub(crate) fn doorbell_count(&self) -> usize {
        self.doorbells.lock().expect("no panic").len()
    }
}

#[derive(Default)]
pub(crate) struct FakeLine(pub(crate) AtomicBool);

impl LevelLine for FakeLine {
    fn set(&self, asserted: bool) {
        self.0.store(asserted, Ordering::SeqCst);
    }
}

pub(crate) struct FakeVector {
    pub(crate) message: Mutex<Option<(u64, u32)>>,
    pub(crate) event: EventFd,
}

impl MsiVector for FakeVector {
    fn route(&self, address: u64, data: u32) -> io::Result<()> {
        *self.message.lock().expect("no panic") = Some((address, data));
        Ok(())
    }

    fn trigger(&self) {
        if self.message.lock().expect("no panic").is_some() {
            self.event.write(1).expect("far from full");
        }
    }
}

impl InterruptController for FakeInterrupts {
    fn edge(&self, gsi: u32) -> io::Result<EventFd> {
        let event = event();
        let clone = event.try_clone()?;
        self.edges.lock().expect("no panic").insert(gsi, clone);
        Ok(event)
    }

    fn level(&self, gsi: u32) -> Arc<dyn LevelLine> {
        let line = Arc::new(FakeLine::default());
        let mut lines = self.lines.lock().expect("no panic");
        assert!(
            lines.insert(gsi, line.clone()).is_none(),
            "one line a number"
        );
        line
    }

    fn msi(&self) -> io::Result<Arc<dyn MsiVector>> {
        let vector = Arc::new(FakeVector {
            message: Mutex::new(None),
            event: event(),
        });
        self.vectors.lock().expect("no panic").push(vector.clone());
        Ok(vector)
    }

    fn add_doorbell(&self, address: Doorbell, event: &EventFd) -> io::Result<()> {
        let mut doorbells = self.doorbells.lock().expect("no panic");
        if doorbells.iter().any(|(other, _)| *other == address) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        doorbells.push((address, event.try_clone()?));
        Ok(())
    }

    fn remove_doorbell(&self, address: Doorbell, _event: &EventFd) -> io::Result<()> {
        let mut doorbells = self.doorbells.lock().expect("no panic");
        let place = doorbells.iter().position(|(other, _)| *other == address);
        doorbells.remove(place.ok_or(io::ErrorKind::NotFound)?);
        Ok(())
    }
}

/// A notifier that counts.
#[derive(Default)]
pub(crate) struct RecordingNotifier {
    pub(crate) queues: AtomicU64,
    pub(crate) broken: AtomicU64,
}

impl Notifier for RecordingNotifier {
    fn queue(&self, _index: u16) {
        self.queues.fetch_add(1, Ordering::SeqCst);
    }

    fn config(&self) {}

    fn broken(&self) {
        self.broken.fetch_add(1, Ordering::SeqCst);
    }
}
