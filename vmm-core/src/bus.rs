//! Address spaces of the guest, ports and memory-mapped registers alike: ranges and who answers them.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// Something that answers reads and writes of a range.
///
/// Called from any vCPU thread, several at once. The guest chooses offset (within the range), length (1 to 8 bytes) and
/// data: whatever they are, the device must return.
pub trait BusDevice: Send + Sync {
    /// Fills `data` with what the guest reads at `offset` bytes into the range.
    fn read(&self, offset: u64, data: &mut [u8]);
    /// Takes what the guest writes at `offset` bytes into the range.
    fn write(&self, offset: u64, data: &[u8]);
}

/// Two devices want the same address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} at {:#x}..{:#x} overlaps {other}", range.start, range.end)]
pub struct Overlap {
    /// The new device.
    pub name: &'static str,
    /// The range it wants.
    pub range: Range<u64>,
    /// The device that is there.
    pub other: &'static str,
}

/// One address space. Built once, before the vCPUs run, and not changed after.
#[derive(Default)]
pub struct Bus {
    devices: BTreeMap<u64, Entry>,
}

struct Entry {
    name: &'static str,
    end: u64,
    device: Arc<dyn BusDevice>,
}

impl Bus {
    /// Puts `device` at `range`.
    ///
    /// # Errors
    /// When something is there already. An empty range overlaps nothing and answers nothing.
    pub fn insert(
        &mut self,
        name: &'static str,
        range: Range<u64>,
        device: Arc<dyn BusDevice>,
    ) -> Result<(), Overlap> {
        if range.is_empty() {
            return Ok(());
        }
        if let Some((_, other)) = self.devices.range(..range.end).next_back()
            && other.end > range.start
        {
            return Err(Overlap {
                name,
                range,
                other: other.name,
            });
        }
        self.devices.insert(
            range.start,
            Entry {
                name,
                end: range.end,
                device,
            },
        );
        Ok(())
    }

    /// A read by the guest. Where nothing answers, or only to a part of the access, all bits are set, as on a real bus.
    ///
    /// Returns whether a device answered.
    pub fn read(&self, address: u64, data: &mut [u8]) -> bool {
        data.fill(0xff);
        match self.find(address, data.len()) {
            Some((device, offset)) => {
                device.read(offset, data);
                true
            }
            None => false,
        }
    }

    /// A write by the guest; lost where nothing answers.
    ///
    /// Returns whether a device answered.
    pub fn write(&self, address: u64, data: &[u8]) -> bool {
        match self.find(address, data.len()) {
            Some((device, offset)) => {
                device.write(offset, data);
                true
            }
            None => false,
        }
    }

    /// The name of the device at `address`, if there is one.
    #[must_use]
    pub fn name(&self, address: u64) -> Option<&'static str> {
        let (_, entry) = self.devices.range(..=address).next_back()?;
        (address < entry.end).then_some(entry.name)
    }

    fn find(&self, address: u64, len: usize) -> Option<(&dyn BusDevice, u64)> {
        let (start, entry) = self.devices.range(..=address).next_back()?;
        let end = address.checked_add(len as u64)?;
        (end <= entry.end).then(|| (&*entry.device, address - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<(u64, Vec<u8>)>>);

    impl BusDevice for Recorder {
        fn read(&self, offset: u64, data: &mut [u8]) {
            data.fill(u8::try_from(offset).expect("small"));
        }

        fn write(&self, offset: u64, data: &[u8]) {
            self.0.lock().expect("held").push((offset, data.to_vec()));
        }
    }

    #[test]
    fn the_device_sees_offsets() {
        let device = Arc::new(Recorder::default());
        let mut bus = Bus::default();
        bus.insert("one", 0x10..0x18, device.clone()).expect("free");
        let mut data = [0; 2];
        assert!(bus.read(0x12, &mut data));
        assert_eq!(data, [2, 2]);
        assert!(bus.write(0x17, &[9]));
        assert_eq!(*device.0.lock().expect("free"), [(7, vec![9])]);
    }

    #[test]
    fn nobody_answers_beyond_a_range_or_across_its_end() {
        let mut bus = Bus::default();
        bus.insert("one", 0x10..0x18, Arc::new(Recorder::default()))
            .expect("free");
        for address in [0, 0xf, 0x17, 0x18, u64::MAX] {
            let mut data = [0; 2];
            assert!(!bus.read(address, &mut data), "{address:#x}");
            assert_eq!(data, [0xff; 2]);
            assert!(!bus.write(address, &data));
        }
    }

    #[test]
    fn overlaps_are_refused() {
        let mut bus = Bus::default();
        let device = || Arc::new(Recorder::default());
        bus.insert("one", 0x10..0x18, device()).expect("free");
        bus.insert("two", 0x18..0x20, device()).expect("beside");
        for range in [0x0..0x11, 0x17..0x19, 0x12..0x13, 0x0..0x100] {
            let error = bus.insert("new", range, device()).expect_err("taken");
            assert!(error.to_string().starts_with("new at "), "{error}");
        }
    }
}
