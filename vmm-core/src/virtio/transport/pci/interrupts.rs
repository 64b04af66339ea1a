//! The interrupts of one function: MSI-X vectors while MSI-X is enabled, else the pin (virtio 1.2, 4.1.5.1.2 and
//! 4.1.5.3).
//!
//! Workers and vCPUs meet here, with nothing but atomics: a vector that is masked while it is sent stays pending, and
//! whoever sees both "pending" and "not masked" last sends it.

use super::intx::SharedLine;
use crate::{irq::MsiVector, virtio::transport::notifier::Interrupts};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering::SeqCst},
};

/// No vector (virtio 1.2, 4.1.5.1.2.1).
pub(super) const NO_VECTOR: u16 = 0xffff;
/// ISR: buffers of a queue were used.
const ISR_QUEUE: u8 = 1;
/// ISR: the configuration changed.
const ISR_CONFIG: u8 = 2;

/// One MSI-X vector.
pub(super) struct Vector {
    pub(super) msi: Arc<dyn MsiVector>,
    masked: AtomicBool,
    pending: AtomicBool,
}

impl Vector {
    pub(super) fn new(msi: Arc<dyn MsiVector>) -> Self {
        Self {
            msi,
            masked: AtomicBool::new(true),
            pending: AtomicBool::new(false),
        }
    }

    fn send(&self) {
        if self.masked.load(SeqCst) {
            self.pending.store(true, SeqCst);
            if !self.masked.load(SeqCst) {
                self.send_pending();
            }
        } else {
            self.msi.trigger();
        }
    }

    fn send_pending(&self) {
        if self.pending.swap(false, SeqCst) {
            self.msi.trigger();
        }
    }

    pub(super) fn mask(&self) {
        self.masked.store(true, SeqCst);
    }

    pub(super) fn unmask(&self) {
        self.masked.store(false, SeqCst);
        self.send_pending();
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(SeqCst)
    }

    pub(super) fn forget(&self) {
        self.pending.store(false, SeqCst);
    }
}

/// Everything through which a function interrupts.
pub(super) struct PciInterrupts {
    pub(super) vectors: Vec<Vector>,
    msix_enabled: AtomicBool,
    pin_disabled: AtomicBool,
    isr: AtomicU8,
    line: Arc<SharedLine>,
    slot: u8,
    config_vector: AtomicU16,
    queue_vectors: Vec<AtomicU16>,
}

impl PciInterrupts {
    /// Interrupts of a function in `slot` with so many queues.
    pub(super) fn new(
        vectors: Vec<Vector>,
        queues: usize,
        line: Arc<SharedLine>,
        slot: u8,
    ) -> Self {
        Self {
            vectors,
            msix_enabled: AtomicBool::new(false),
            pin_disabled: AtomicBool::new(false),
            isr: AtomicU8::new(0),
            line,
            slot,
            config_vector: AtomicU16::new(NO_VECTOR),
            queue_vectors: (0..queues).map(|_| AtomicU16::new(NO_VECTOR)).collect(),
        }
    }

    fn raise(&self, vector: Option<&AtomicU16>, isr: u8) {
        if self.msix_enabled.load(SeqCst) {
            let vector = vector.map_or(NO_VECTOR, |vector| vector.load(SeqCst));
            if let Some(vector) = self.vectors.get(usize::from(vector)) {
                vector.send();
            }
        } else {
            self.isr.fetch_or(isr, SeqCst);
            self.update_line();
        }
    }

    fn update_line(&self) {
        self.line.update(self.slot, || {
            self.is_due() && !self.pin_disabled.load(SeqCst)
        });
    }

    /// Whether an interrupt by pin is due, wanted or not.
    pub(super) fn is_due(&self) -> bool {
        self.isr.load(SeqCst) != 0 && !self.msix_enabled.load(SeqCst)
    }

    /// Follows what the configuration space says.
    pub(super) fn configure(&self, msix_enabled: bool, pin_disabled: bool) {
        self.msix_enabled.store(msix_enabled, SeqCst);
        self.pin_disabled.store(pin_disabled, SeqCst);
        self.update_line();
    }

    /// Reads and clears the ISR status, which deasserts the pin (virtio 1.2, 4.1.4.5).
    pub(super) fn take_isr(&self) -> u8 {
        let isr = self.isr.swap(0, SeqCst);
        self.update_line();
        isr
    }

    /// Vector of the configuration.
    pub(super) fn config_vector(&self) -> u16 {
        self.config_vector.load(SeqCst)
    }

    /// Vector of a queue.
    pub(super) fn queue_vector(&self, queue: u16) -> u16 {
        self.queue_vectors
            .get(usize::from(queue))
            .map_or(NO_VECTOR, |vector| vector.load(SeqCst))
    }

    /// Sets the vector of the configuration; one that is not there becomes none.
    pub(super) fn set_config_vector(&self, vector: u16) {
        self.config_vector.store(self.existing(vector), SeqCst);
    }

    /// Sets the vector of a queue; one that is not there becomes none.
    pub(super) fn set_queue_vector(&self, queue: u16, vector: u16) {
        if let Some(slot) = self.queue_vectors.get(usize::from(queue)) {
            slot.store(self.existing(vector), SeqCst);
        }
    }

    fn existing(&self, vector: u16) -> u16 {
        if usize::from(vector) < self.vectors.len() {
            vector
        } else {
            NO_VECTOR
        }
    }

    /// What a reset of the device does to its interrupts.
    pub(super) fn reset(&self) {
        self.config_vector.store(NO_VECTOR, SeqCst);
        for vector in &self.queue_vectors {
            vector.store(NO_VECTOR, SeqCst);
        }
        self.vectors.iter().for_each(Vector::forget);
        self.take_isr();
    }
}

impl Interrupts for PciInterrupts {
    fn queue(&self, index: u16) {
        self.raise(self.queue_vectors.get(usize::from(index)), ISR_QUEUE);
    }

    fn config(&self) {
        self.raise(Some(&self.config_vector), ISR_CONFIG);
    }
}
