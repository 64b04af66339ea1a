//! What a file is that is no kernel image we can boot: for people who named the wrong file.

use super::compression::Compression;

/// A predicate for a file that begins with `head`: what it seems to be, and the way out.
pub fn describe(head: &[u8]) -> String {
    const NAME_ONE: &str = "name a bzImage or vmlinux built for x86-64";
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    // The magic numbers of arch/arm64/include/asm/image.h, arch/riscv/include/asm/image.h and
    // drivers/firmware/efi/libstub/zboot-header.S; all three may begin with "MZ".
    if at(56, b"ARM\x64") {
        format!("is a kernel Image for arm64; {NAME_ONE}")
    } else if at(56, b"RSC\x05") {
        format!("is a kernel Image for riscv; {NAME_ONE}")
    } else if at(4, b"zimg") {
        format!("is an EFI zboot image, a form that x86 kernels do not have; {NAME_ONE}")
    } else if at(257, b"ustar") {
        format!("is a tar archive, not a kernel image; unpack it, and {NAME_ONE}")
    } else if at(0, b"07070") {
        format!("is a cpio archive (an initramfs?), not a kernel image; {NAME_ONE}")
    } else if at(0, b"!<arch>\n") {
        format!(
            "is an archive of objects or a Debian package, not a kernel image; unpack it, and {NAME_ONE}"
        )
    } else if at(0, b"MZ") {
        "is an EFI or Windows program without a Linux boot header; out of a unified kernel image the kernel \
         can be taken with `objcopy -O binary --only-section=.linux IMAGE bzImage`"
            .into()
    } else if let Some(format) = Compression::detect(head) {
        format!(
            "is a file compressed with {format} (an Image.gz of another architecture, an initramfs?); \
             if a vmlinux is inside, unpack it first"
        )
    } else if is_text(head) {
        format!("is a text file, not a kernel image; {NAME_ONE}")
    } else {
        format!(
            "is not a kernel image: it has neither a Linux boot header nor an ELF header; {NAME_ONE}"
        )
    }
}

/// Whether the first bytes are text, UTF-8 with nothing but common control characters.
fn is_text(head: &[u8]) -> bool {
    let sample = &head[..head.len().min(512)];
    let text = match std::str::from_utf8(sample) {
        Ok(text) => text,
        // A character may be cut by the end of the sample.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&sample[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0c' | '\x1b'))
}
