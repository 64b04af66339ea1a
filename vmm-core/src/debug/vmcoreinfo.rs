//! What a kernel tells crash dump tools about itself, as text in one page of its memory
//! (`Documentation/admin-guide/kdump/vmcoreinfo.rst`; `kernel/vmcore_info.c`, before 6.9 `kernel/crash_core.c`).
//!
//! The page is filled by a `subsys_initcall`, and only with `CONFIG_VMCORE_INFO` (before 6.9 `CONFIG_CRASH_CORE`).

use super::PhysicalMemory;

/// How the text begins.
pub(super) const BEGIN: &[u8] = b"OSRELEASE=";

/// Longest text: `VMCOREINFO_BYTES`, one page.
const MAX_BYTES: usize = 4096;

/// The text of one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VmcoreInfo(String);

impl VmcoreInfo {
    /// The text at the guest-physical `address`.
    pub fn read(mem: &dyn PhysicalMemory, address: u64) -> Option<Self> {
        let mut page = [0; MAX_BYTES];
        if !mem.read(address, &mut page) || !page.starts_with(BEGIN) {
            return None;
        }
        let len = page.iter().position(|b| *b == 0).unwrap_or(page.len());
        let text = std::str::from_utf8(&page[..len]).ok()?;
        Some(Self(text.to_owned()))
    }

    /// The value of a line `key=value`.
    fn value(&self, key: &str) -> Option<&str> {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// Address of a symbol of the running kernel.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.value(&format!("SYMBOL({name})"))?, 16).ok()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.value(&format!("NUMBER({name})"))?.parse().ok()
    }

    /// Bytes from the beginning of a structure to a member of it, such as `prb_desc.state_var`; less than a page.
    pub fn offset(&self, member: &str) -> Option<usize> {
        self.bounded(&format!("OFFSET({member})"))
    }

    /// Bytes of a structure; less than a page.
    pub fn size(&self, structure: &str) -> Option<usize> {
        self.bounded(&format!("SIZE({structure})"))
    }

    fn bounded(&self, key: &str) -> Option<usize> {
        let value = self.value(key)?.parse().ok()?;
        (value < MAX_BYTES).then_some(value)
    }

    /// How far KASLR moved the kernel from where it was linked.
    pub fn kernel_offset(&self) -> Option<u64> {
        u64::from_str_radix(self.value("KERNELOFFSET")?, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_whole_key() {
        let info = VmcoreInfo(
            "OSRELEASE=6.1.0\nSYMBOL(prb_x)=12\nSYMBOL(prb)=ffffffff82a6a310\nOFFSET(prb_desc.state_var)=8\n\
             SIZE(prb_desc)=4096\nNUMBER(phys_base)=-2097152\nKERNELOFFSET=1d000000\n"
                .into(),
        );
        assert_eq!(info.symbol("prb"), Some(0xFFFF_FFFF_82A6_A310));
        assert_eq!(info.symbol("pr"), None);
        assert_eq!(info.offset("prb_desc.state_var"), Some(8));
        assert_eq!(info.size("prb_desc"), None, "no structure is that large");
        assert_eq!(info.number("phys_base"), Some(-2_097_152));
        assert_eq!(info.kernel_offset(), Some(0x1D00_0000));
    }
}
