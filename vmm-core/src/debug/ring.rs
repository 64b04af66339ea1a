//! The printk ring buffer's own structures: `struct printk_ringbuffer` (`kernel/printk/printk_ringbuffer.h`, since
//! 5.10) and where its members lie.

use super::vmcoreinfo::VmcoreInfo;

/// Bits of a descriptor's `state_var` that are its number; the two above are its state.
pub(super) const ID_MASK: u64 = u64::MAX >> 2;

/// Most bits of the number of descriptors, and of the size of the text: `LOG_BUF_LEN_MAX` is 2 GiB, with a
/// descriptor for 32 bytes of text.
const MAX_COUNT_BITS: u32 = 26;
const MAX_SIZE_BITS: u32 = 31;

/// Addresses of the kernel have these bits, with four levels of page tables and with five.
const KERNEL_HALF: u64 = 0xFF00_0000_0000_0000;

/// Descriptors are numbered from just below this value on, or below 2^62; far away from both lies none.
const FAR: u64 = 1 << 40;

/// Where members lie, in bytes from the beginning of their structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// `struct printk_ringbuffer` with the two rings in it.
    pub ring: RingLayout,
    /// `struct prb_desc`.
    pub desc: DescLayout,
    /// `struct printk_info`.
    pub info: InfoLayout,
}

/// `struct printk_ringbuffer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RingLayout {
    pub size: usize,
    pub count_bits: usize,
    pub descs: usize,
    pub infos: usize,
    pub head_id: usize,
    pub tail_id: usize,
    pub size_bits: usize,
    pub data: usize,
    pub head_lpos: usize,
    pub tail_lpos: usize,
}

/// `struct prb_desc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DescLayout {
    pub size: usize,
    pub state_var: usize,
    pub begin: usize,
    pub next: usize,
}

/// `struct printk_info`. The facility is the byte after `text_len`, flags and level are the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InfoLayout {
    pub size: usize,
    pub seq: usize,
    pub ts_nsec: usize,
    pub text_len: usize,
}

/// What kernels have that do not say (x86-64).
pub(super) const KNOWN: [Layout; 2] = [
    // 6.1 to 6.12 and later: `last_finalized_id`, now `last_finalized_seq`, ends the ring of descriptors.
    known(48),
    // 5.10, 5.15.
    known(40),
];

/// The layout whose `struct prb_desc_ring` has `text` bytes.
const fn known(text: usize) -> Layout {
    Layout {
        ring: RingLayout {
            size: text + 40,
            count_bits: 0,
            descs: 8,
            infos: 16,
            head_id: 24,
            tail_id: 32,
            size_bits: text,
            data: text + 8,
            head_lpos: text + 16,
            tail_lpos: text + 24,
        },
        desc: DescLayout {
            size: 24,
            state_var: 0,
            begin: 8,
            next: 16,
        },
        info: InfoLayout {
            size: 88,
            seq: 0,
            ts_nsec: 8,
            text_len: 16,
        },
    }
}

impl Layout {
    /// The layout as the kernel itself tells it; `None` where it leaves a part out or contradicts itself.
    pub fn told(info: &VmcoreInfo) -> Option<Self> {
        let descs = info.offset("printk_ringbuffer.desc_ring")?;
        let text = info.offset("printk_ringbuffer.text_data_ring")?;
        let desc_ring = |member| Some(descs + info.offset(member)?);
        let text_ring = |member| Some(text + info.offset(member)?);
        let block = info.offset("prb_desc.text_blk_lpos")?;
        let layout = Self {
            ring: RingLayout {
                size: info.size("printk_ringbuffer")?,
                count_bits: desc_ring("prb_desc_ring.count_bits")?,
                descs: desc_ring("prb_desc_ring.descs")?,
                infos: desc_ring("prb_desc_ring.infos")?,
                head_id: desc_ring("prb_desc_ring.head_id")?,
                tail_id: desc_ring("prb_desc_ring.tail_id")?,
                size_bits: text_ring("prb_data_ring.size_bits")?,
                data: text_ring("prb_data_ring.data")?,
                head_lpos: text_ring("prb_data_ring.head_lpos")?,
                tail_lpos: text_ring("prb_data_ring.tail_lpos")?,
            },
            desc: DescLayout {
                size: info.size("prb_desc")?,
                state_var: info.offset("prb_desc.state_var")?,
                begin: block + info.offset("prb_data_blk_lpos.begin")?,
                next: block + info.offset("prb_data_blk_lpos.next")?,
            },
            info: InfoLayout {
                size: info.size("printk_info")?,
                seq: info.offset("printk_info.seq")?,
                ts_nsec: info.offset("printk_info.ts_nsec")?,
                text_len: info.offset("printk_info.text_len")?,
            },
        };
        layout.fits().then_some(layout)
    }

    /// Whether every member that is read as a word lies within its structure.
    fn fits(&self) -> bool {
        let Self { ring, desc, info } = self;
        let in_ring = [
            ring.count_bits,
            ring.descs,
            ring.infos,
            ring.head_id,
            ring.tail_id,
            ring.size_bits,
            ring.data,
            ring.head_lpos,
            ring.tail_lpos,
        ];
        let in_desc = [desc.state_var, desc.begin, desc.next];
        let in_info = [info.seq, info.ts_nsec, info.text_len];
        in_ring.iter().all(|at| at + 8 <= ring.size)
            && in_desc.iter().all(|at| at + 8 <= desc.size)
            && in_info.iter().all(|at| at + 8 <= info.size)
    }
}

/// A `struct printk_ringbuffer` as far as readers need it; plausible, but its addresses may lead nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring {
    /// Number of descriptors, as a power of two.
    pub count_bits: u32,
    /// Address of the descriptors, in the kernel.
    pub descs: u64,
    /// Address of the records' properties, in the kernel.
    pub infos: u64,
    /// Number of the newest descriptor.
    pub head_id: u64,
    /// Number of the oldest descriptor.
    pub tail_id: u64,
    /// Bytes of the text, as a power of two.
    pub size_bits: u32,
    /// Address of the text, in the kernel.
    pub data: u64,
}

impl Ring {
    /// Reads a structure of `layout`; `None` when `bytes` cannot be one.
    pub fn parse(bytes: &[u8], layout: &RingLayout) -> Option<Self> {
        let ring = Self {
            count_bits: u32_at(bytes, layout.count_bits)?,
            descs: u64_at(bytes, layout.descs)?,
            infos: u64_at(bytes, layout.infos)?,
            head_id: u64_at(bytes, layout.head_id)?,
            tail_id: u64_at(bytes, layout.tail_id)?,
            size_bits: u32_at(bytes, layout.size_bits)?,
            data: u64_at(bytes, layout.data)?,
        };
        let used = u64_at(bytes, layout.head_lpos)?.wrapping_sub(u64_at(bytes, layout.tail_lpos)?);
        let pointer = |address: u64| address >= KERNEL_HALF && address.is_multiple_of(8);
        let numbered = |id: u64| id < FAR || (ID_MASK - FAR..=ID_MASK).contains(&id);
        let plausible = (1..=MAX_COUNT_BITS).contains(&ring.count_bits)
            && (5..=MAX_SIZE_BITS).contains(&ring.size_bits)
            && [ring.descs, ring.infos].into_iter().all(pointer)
            && ring.data >= KERNEL_HALF
            && numbered(ring.head_id)
            && numbered(ring.tail_id)
            && ring.span() < ring.count()
            && used <= 1 << ring.size_bits;
        plausible.then_some(ring)
    }

    /// Number of descriptors.
    pub const fn count(&self) -> u64 {
        1 << self.count_bits
    }

    /// Descriptors from the oldest to the newest, less one.
    pub const fn span(&self) -> u64 {
        self.head_id.wrapping_sub(self.tail_id) & ID_MASK
    }

    /// Where the descriptor numbered `id` and its properties are in their arrays.
    pub const fn index(&self, id: u64) -> u64 {
        id & (self.count() - 1)
    }

    /// Low half of the sequence number that the record with descriptor `id` has: records are counted as descriptors
    /// are, and the first descriptor is number `DESC0_ID + 1`, which is minus their count in 32 bits.
    pub const fn sequence_low(&self, id: u64) -> u32 {
        let bytes = id.wrapping_add(self.count()).to_le_bytes();
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// The little-endian word of `bytes` at `at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u64::from_le_bytes(*word))
}

/// The little-endian double word of `bytes` at `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_le_bytes(*word))
}
