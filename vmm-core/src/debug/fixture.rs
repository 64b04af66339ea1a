//! A kernel's image in memory, as far as a log and a stack need it, with a writer of records that does what
//! `kernel/printk/printk_ringbuffer.c` does.

use super::{
    Paging, PhysicalMemory,
    ring::{ID_MASK, KNOWN, Layout},
    view::KERNEL_MAP,
};
use crate::layout::Area;
use std::collections::VecDeque;

/// How far KASLR moved it.
pub const KASLR: u64 = 0x1C00_0000;
/// Where the image begins, in the kernel.
pub const VIRTUAL: u64 = KERNEL_MAP + 0x100_0000 + KASLR;
/// Where it begins, guest-physical.
pub const PHYSICAL: u64 = 0x40_0000;
/// Its bytes.
const LEN: usize = 0x1_0000;

/// What lies where, from its beginning.
pub const TEXT: u64 = 0x200;
pub const POINTER: u64 = 0x780;
pub const RING: u64 = 0x808;
pub const DESCS: u64 = 0x1000;
pub const INFOS: u64 = 0x2000;
pub const DATA: u64 = 0x3000;
pub const VMCOREINFO: u64 = 0x4000;
pub const TABLES: u64 = 0x5000;
pub const STACK: u64 = 0x8000;

/// Descriptors and bytes of text, as powers of two.
pub const COUNT_BITS: u32 = 4;
pub const SIZE_BITS: u32 = 9;

/// The image; the only memory of its machine.
#[derive(Clone)]
pub struct Image {
    pub bytes: Vec<u8>,
}

impl PhysicalMemory for Image {
    fn read(&self, address: u64, data: &mut [u8]) -> bool {
        let bytes = address.checked_sub(PHYSICAL).and_then(|at| {
            self.bytes
                .get(usize::try_from(at).ok()?..)?
                .get(..data.len())
        });
        bytes.map(|bytes| data.copy_from_slice(bytes)).is_some()
    }

    fn areas(&self) -> Vec<Area> {
        let len = self.bytes.len() as u64;
        vec![Area {
            start: PHYSICAL,
            len,
        }]
    }
}

impl Image {
    /// An image with page tables that map 2 MiB of it, and nothing else.
    pub fn new() -> Self {
        let mut image = Self {
            bytes: vec![0; LEN],
        };
        let entry =
            |level: u64, shift: u32| TABLES + level * 0x1000 + (VIRTUAL >> shift & 0x1FF) * 8;
        let table = |level: u64| (PHYSICAL + TABLES + level * 0x1000) | 3;
        image.word(entry(0, 39), table(1));
        image.word(entry(1, 30), table(2));
        image.word(entry(2, 21), PHYSICAL | 0x83);
        image
    }

    /// The registers of its vCPU.
    pub fn paging() -> Paging {
        Paging::long_mode(PHYSICAL + TABLES, false)
    }

    /// Writes bytes, by their distance from its beginning.
    pub fn poke(&mut self, at: u64, data: &[u8]) {
        let at = usize::try_from(at).unwrap();
        self.bytes[at..at + data.len()].copy_from_slice(data);
    }

    pub fn word(&mut self, at: u64, value: u64) {
        self.poke(at, &value.to_le_bytes());
    }

    /// Writes a vmcoreinfo page that tells the truth about `layout`.
    pub fn vmcoreinfo(&mut self, layout: &Layout) {
        let Layout { ring, desc, info } = layout;
        let base = PHYSICAL.wrapping_sub(VIRTUAL - KERNEL_MAP).cast_signed();
        let text = format!(
            "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(prb)={:x}\nSYMBOL(swapper_pg_dir)={:x}\n\
             NUMBER(phys_base)={base}\nNUMBER(pgtable_l5_enabled)=0\nKERNELOFFSET={KASLR:x}\n\
             SIZE(printk_ringbuffer)={}\nOFFSET(printk_ringbuffer.desc_ring)=0\n\
             OFFSET(printk_ringbuffer.text_data_ring)={}\nOFFSET(prb_desc_ring.count_bits)=0\n\
             OFFSET(prb_desc_ring.descs)=8\nOFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\n\
             OFFSET(prb_desc_ring.tail_id)=32\nOFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n\
             OFFSET(prb_data_ring.head_lpos)=16\nOFFSET(prb_data_ring.tail_lpos)=24\n\
             SIZE(prb_desc)={}\nOFFSET(prb_desc.state_var)=0\nOFFSET(prb_desc.text_blk_lpos)=8\n\
             OFFSET(prb_data_blk_lpos.begin)=0\nOFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)={}\n\
             OFFSET(printk_info.seq)=0\nOFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n",
            VIRTUAL + POINTER,
            VIRTUAL + TABLES,
            ring.size,
            ring.size_bits,
            desc.size,
            info.size,
        );
        self.poke(VMCOREINFO, text.as_bytes());
    }
}

/// Writes records as the kernel does.
pub struct Writer {
    pub image: Image,
    pub layout: &'static Layout,
    head_id: u64,
    tail_id: u64,
    head_lpos: u64,
    tail_lpos: u64,
    /// Records that still have their text: descriptor, end of the block, sequence number and text.
    pub live: VecDeque<(u64, u64, u64, String)>,
    written: u64,
}

impl Writer {
    /// A ring of one of the known layouts without records.
    pub fn new(layout: &'static Layout) -> Self {
        let first = u64::from(0u32.wrapping_sub((1 << COUNT_BITS) + 1));
        let start = 0u64.wrapping_sub(1 << SIZE_BITS);
        let mut writer = Self {
            image: Image::new(),
            layout,
            head_id: first,
            tail_id: first,
            head_lpos: start,
            tail_lpos: start,
            live: VecDeque::new(),
            written: 0,
        };
        writer.state(first, 3);
        writer.publish();
        writer
    }

    fn state(&mut self, id: u64, state: u64) {
        let index = id & ((1 << COUNT_BITS) - 1);
        self.image.word(DESCS + index * 24, id | state << 62);
    }

    fn drop_oldest(&mut self) {
        let (id, next, ..) = self.live.pop_front().unwrap();
        self.state(id, 3);
        self.tail_lpos = next;
    }

    /// Adds a record with this text, 1 to about 100 bytes, or none.
    pub fn write(&mut self, text: &str) {
        let id = (self.head_id + 1) & ID_MASK;
        if id - self.tail_id == 1 << COUNT_BITS {
            while self
                .live
                .front()
                .is_some_and(|oldest| oldest.0 == self.tail_id)
            {
                self.drop_oldest();
            }
            self.state(self.tail_id, 3);
            self.tail_id += 1;
        }
        let (size, all) = ((8 + text.len() as u64).next_multiple_of(8), 1 << SIZE_BITS);
        let (mut begin, mut next) = (self.head_lpos, self.head_lpos.wrapping_add(size));
        let mut at = begin & (all - 1);
        if begin >> SIZE_BITS != next >> SIZE_BITS {
            next = (next & !(all - 1)) + size;
            at = 0;
        }
        while next.wrapping_sub(self.tail_lpos) > all {
            self.drop_oldest();
        }
        self.head_lpos = next;
        self.image.poke(DATA + at + 8, text.as_bytes());
        if text.is_empty() {
            self.head_lpos = begin;
            (begin, next) = (3, 3);
        }
        let index = id & ((1 << COUNT_BITS) - 1);
        self.image.word(DESCS + index * 24 + 8, begin);
        self.image.word(DESCS + index * 24 + 16, next);
        self.state(id, 1 + self.written % 2);
        let info = INFOS + index * 88;
        self.image.word(info, self.written);
        self.image.word(info + 8, self.written * 1000);
        let len = u16::try_from(text.len()).unwrap();
        self.image.poke(info + 16, &len.to_le_bytes());
        self.image.poke(info + 18, &[3, 6 << 5 | 8]);
        self.live
            .push_back((id, self.head_lpos, self.written, text.to_owned()));
        self.head_id = id;
        self.written += 1;
        self.publish();
    }

    fn publish(&mut self) {
        let ring = self.layout.ring;
        for (at, value) in [
            (ring.count_bits, u64::from(COUNT_BITS)),
            (ring.descs, VIRTUAL + DESCS),
            (ring.infos, VIRTUAL + INFOS),
            (ring.head_id, self.head_id),
            (ring.tail_id, self.tail_id),
            (ring.size_bits, u64::from(SIZE_BITS)),
            (ring.data, VIRTUAL + DATA),
            (ring.head_lpos, self.head_lpos),
            (ring.tail_lpos, self.tail_lpos),
        ] {
            self.image.word(RING + at as u64, value);
        }
        self.image.word(POINTER, VIRTUAL + RING);
    }

    /// A ring with so many records, `line 0` and so on.
    pub fn with(layout: &'static Layout, records: u64) -> Self {
        let mut writer = Self::new(layout);
        for record in 0..records {
            writer.write(&format!("line {record}"));
        }
        writer
    }

    /// The kernel that tells how to read it.
    pub fn telling() -> Self {
        let mut writer = Self::with(&KNOWN[0], 40);
        writer.image.vmcoreinfo(writer.layout);
        writer
    }
}
