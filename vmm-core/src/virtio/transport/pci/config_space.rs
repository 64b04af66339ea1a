//! The 256 bytes of a function's configuration space: values and which bits of them the guest may change (PCI Local
//! Bus 3.0, 6).
//!
//! The guest reads and writes any bytes with any size. Base address registers need no more than that: their low bits
//! are fixed, so writing all ones shows the size, and what is read is where they are.

/// Vendor identifier.
const VENDOR: usize = 0x00;
/// Device identifier.
const DEVICE: usize = 0x02;
/// Command.
const COMMAND: usize = 0x04;
/// Status.
const STATUS: usize = 0x06;
/// Revision, then three bytes of class code, the least significant first.
const REVISION: usize = 0x08;
/// First base address register.
const BAR: usize = 0x10;
/// Subsystem vendor, then subsystem.
const SUBSYSTEM: usize = 0x2c;
/// First capability.
const CAPABILITIES: usize = 0x34;
/// Interrupt line, then pin.
const INTERRUPT: usize = 0x3c;
/// Where capabilities begin, behind the header.
const FIRST_CAPABILITY: usize = 0x40;

/// Command: memory is decoded.
const COMMAND_MEMORY: u16 = 1 << 1;
/// Command: the function may write to memory.
const COMMAND_MASTER: u16 = 1 << 2;
/// Command: no interrupt by pin.
const COMMAND_INTX_DISABLE: u16 = 1 << 10;
/// Status: an interrupt by pin is due.
const STATUS_INTERRUPT: u8 = 1 << 3;
/// Status: there are capabilities.
const STATUS_CAPABILITIES: u8 = 1 << 4;

/// What a function says of itself.
pub(super) struct Identity {
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) revision: u8,
    /// Class, subclass, programming interface.
    pub(super) class: [u8; 3],
}

/// Configuration space of one function.
pub(super) struct ConfigSpace {
    bytes: [u8; 256],
    writable: [u8; 256],
    /// Where the next capability goes, and where it will be linked from.
    next: usize,
    link: usize,
}

impl ConfigSpace {
    /// A header of type 0 without anything else.
    pub(super) fn new(identity: &Identity) -> Self {
        let mut config = Self {
            bytes: [0; 256],
            writable: [0; 256],
            next: FIRST_CAPABILITY,
            link: CAPABILITIES,
        };
        config.set(VENDOR, &identity.vendor.to_le_bytes());
        config.set(DEVICE, &identity.device.to_le_bytes());
        let [class, subclass, interface] = identity.class;
        config.set(REVISION, &[identity.revision, interface, subclass, class]);
        config
    }

    /// Sets what the subsystem is.
    pub(super) fn subsystem(&mut self, vendor: u16, device: u16) {
        self.set(SUBSYSTEM, &vendor.to_le_bytes());
        self.set(SUBSYSTEM + 2, &device.to_le_bytes());
    }

    /// Adds BAR 0, 32-bit memory of `size` bytes (a power of two) at `base`, and pin A on interrupt `line`; the command
    /// register can switch both.
    pub(super) fn memory_and_pin(&mut self, base: u32, size: u32, line: u8) {
        self.set(BAR, &base.to_le_bytes());
        self.allow(BAR, &(!(size - 1)).to_le_bytes());
        let command = COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE;
        self.allow(COMMAND, &command.to_le_bytes());
        self.set(INTERRUPT, &[line, 1]);
        self.allow(INTERRUPT, &[0xff]);
    }

    /// Adds a capability: `body` follows its identifier and link, and `writable` says which bits of the body the guest
    /// may change. Returns where it begins.
    pub(super) fn capability(&mut self, id: u8, body: &[u8], writable: &[u8]) -> usize {
        let at = self.next;
        let link = u8::try_from(at).expect("capabilities fit into 256 bytes");
        self.set(self.link, &[link]);
        self.set(at, &[id, 0]);
        self.set(at + 2, body);
        self.allow(at + 2, writable);
        self.bytes[STATUS] |= STATUS_CAPABILITIES;
        self.link = at + 1;
        self.next = (at + 2 + body.len()).next_multiple_of(4);
        at
    }

    fn set(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..][..value.len()].copy_from_slice(value);
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        self.writable[at..][..mask.len()].copy_from_slice(mask);
    }

    /// Fills `data` from `register` on; all bits are set beyond the end.
    pub(super) fn read(&self, register: usize, data: &mut [u8]) {
        for (at, byte) in (register..).zip(data) {
            *byte = self.bytes.get(at).copied().unwrap_or(0xff);
        }
    }

    /// Takes what may be changed.
    pub(super) fn write(&mut self, register: usize, data: &[u8]) {
        for (at, &value) in (register..).zip(data) {
            if let Some(mask) = self.writable.get(at) {
                self.bytes[at] = self.bytes[at] & !mask | value & mask;
            }
        }
    }

    /// Puts `value` where the guest will read it.
    pub(super) fn store(&mut self, register: usize, value: &[u8]) {
        self.set(register, value);
    }

    pub(super) fn u8(&self, at: usize) -> u8 {
        self.bytes[at]
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) | u32::from(self.u16(at + 2)) << 16
    }

    /// Where BAR 0 is decoded, if it is.
    pub(super) fn memory(&self) -> Option<u64> {
        (self.u16(COMMAND) & COMMAND_MEMORY != 0).then(|| u64::from(self.u32(BAR) & !0xf))
    }

    /// Whether there is no interrupt by pin.
    pub(super) fn pin_disabled(&self) -> bool {
        self.u16(COMMAND) & COMMAND_INTX_DISABLE != 0
    }

    /// Shows in the status register whether an interrupt by pin is due.
    pub(super) fn set_pin_status(&mut self, due: bool) {
        self.bytes[STATUS] &= !STATUS_INTERRUPT;
        if due {
            self.bytes[STATUS] |= STATUS_INTERRUPT;
        }
    }
}
