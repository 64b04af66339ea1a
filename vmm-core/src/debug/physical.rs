//! Guest-physical memory, of a running machine or of a dump.

use crate::{layout::Area, memory::GuestRam};
use rustix::fs::{SeekFrom, seek};
use vm_memory::{
    Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryRegion, GuestRegionMmap,
};

/// Guest-physical memory that can be read.
pub trait PhysicalMemory {
    /// Reads `data.len()` bytes from the guest-physical `address` on; whether all of them are memory. When not, what
    /// `data` holds is of no meaning.
    fn read(&self, address: u64, data: &mut [u8]) -> bool;

    /// Where memory is that may hold anything but zeros: ascending, not overlapping.
    fn areas(&self) -> Vec<Area>;
}

impl dyn PhysicalMemory + '_ {
    /// The little-endian word at the guest-physical `address`.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)
            .then(|| u64::from_le_bytes(bytes))
    }
}

impl PhysicalMemory for GuestRam {
    fn read(&self, address: u64, data: &mut [u8]) -> bool {
        self.memory()
            .read_slice(data, GuestAddress(address))
            .is_ok()
    }

    /// Pages that the guest never touched are left out: reading them would allocate them.
    fn areas(&self) -> Vec<Area> {
        self.memory().iter().flat_map(touched).collect()
    }
}

/// The parts of a region that hold pages; all of it where that cannot be told.
fn touched(region: &GuestRegionMmap) -> Vec<Area> {
    let whole = Area {
        start: region.start_addr().0,
        len: region.len(),
    };
    match region.file_offset() {
        Some(file) => touched_of_file(file, whole),
        None => touched_of_memory(region, whole),
    }
}

/// A page of a file may be there and not be mapped, and a hole may be mapped and not be there: the file knows.
fn touched_of_file(file: &FileOffset, whole: Area) -> Vec<Area> {
    let (first, end) = (file.start(), file.start() + whole.len);
    let mut areas = Vec::new();
    let mut at = first;
    while at < end {
        let data = match seek(file.file(), SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => break,
            Err(_) => return vec![whole],
        };
        let Ok(hole) = seek(file.file(), SeekFrom::Hole(data)) else {
            return vec![whole];
        };
        if data >= end || hole <= at {
            break;
        }
        areas.push(Area {
            start: whole.start + (data - first),
            len: hole.min(end) - data,
        });
        at = hole;
    }
    areas
}

fn touched_of_memory(region: &GuestRegionMmap, whole: Area) -> Vec<Area> {
    let Ok(pages) = GuestRam::resident(region) else {
        return vec![whole];
    };
    let mut start = whole.start;
    pages
        .chunk_by(|one, two| one & 1 == two & 1)
        .filter_map(|run| {
            let area = Area {
                start,
                len: run.len() as u64 * 4096,
            };
            start = area.end();
            (run[0] & 1 == 1).then_some(area)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::MemoryConfig, layout};
    use vm_memory::GuestMemoryMmap;

    #[test]
    fn of_private_memory_too_only_touched_pages_are_areas() {
        let area = |start, pages: u64| Area {
            start,
            len: pages * 4096,
        };
        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0x10_0000), 64 << 12)])
            .expect("memory");
        let region = memory.iter().next().expect("one");
        assert_eq!(touched(region), []);
        for page in [3, 4, 63] {
            let address = GuestAddress(0x10_0000 + (page << 12));
            memory.write_obj(1u8, address).expect("RAM");
        }
        assert_eq!(
            touched(region),
            [area(0x10_3000, 2), area(0x10_0000 + (63 << 12), 1)]
        );
    }

    #[test]
    fn only_touched_pages_are_areas() {
        let ram = GuestRam::new(&MemoryConfig {
            bytes: 5 << 30,
            huge_pages: false,
            file: true,
        })
        .expect("address space");
        assert_eq!(ram.areas(), []);
        let above = layout::HOLE_END + (1 << 30);
        for address in [0x5000, 0x6000, layout::HOLE_START - 8, above] {
            ram.memory()
                .write_obj(7u64, GuestAddress(address))
                .expect("RAM");
        }
        let page = |start, pages: u64| Area {
            start,
            len: pages * 4096,
        };
        let expected = [
            page(0x5000, 2),
            page(layout::HOLE_START - 4096, 1),
            page(above, 1),
        ];
        assert_eq!(ram.areas(), expected);
        let memory: &dyn PhysicalMemory = &ram;
        assert_eq!(memory.word(0x6000), Some(7));
        assert_eq!(memory.word(layout::HOLE_START), None);
        assert_eq!(memory.word(u64::MAX - 3), None);
    }
}
