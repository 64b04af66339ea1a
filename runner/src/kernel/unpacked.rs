//! The kernel proper out of a bzImage, unpacked on the host and kept, so that a slow machine need not do it.

use super::image::{Format, KernelImage};
use crate::artifact::keep;
use std::path::Path;

/// Directory below the cache.
const DIR: &str = "vmlinux";

/// How many unpacked kernels are kept; each takes some 50 MiB.
const KEPT: usize = 4;

/// The kernel proper of `image` as a vmlinux, from the cache or unpacked into it.
///
/// `pvh` is there when it has to have a PVH entry (`arch/x86/platform/pvh/head.S`), and says whether its configuration
/// promises one (`CONFIG_PVH`).
///
/// `None` when it lacks that, is packed in a way that is not known here, or cannot be kept: the bzImage then unpacks
/// itself in the guest.
#[must_use]
pub fn unpacked(
    image: &KernelImage,
    pvh: Option<bool>,
    cache_dir: Option<&Path>,
) -> Option<KernelImage> {
    if pvh == Some(false) || matches!(image.format, Format::Vmlinux(_)) {
        return None;
    }
    let dir = cache_dir?.join(DIR);
    let path = dir.join(image.id.to_string());
    let usable = || {
        let kernel = KernelImage::open(&path).ok()?;
        let fits =
            matches!(&kernel.format, Format::Vmlinux(vmlinux) if vmlinux.pvh || pvh.is_none());
        (fits && kernel.release == image.release).then_some(kernel)
    };
    usable().or_else(|| {
        let kernel = image.unpack().ok()??;
        keep(&dir, &path, &kernel, KEPT).ok()?;
        usable()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::KernelConfig;

    #[test]
    fn a_real_kernel_unpacks_once_and_is_the_same_release() {
        let Some(path) = crate::kernel::fixture::installed_kernels().pop() else {
            println!("SKIP: no kernel in /boot");
            return;
        };
        let image = KernelImage::open(&path).expect("a kernel");
        let config = KernelConfig::find(&image, None, None).expect("its configuration");
        let cache = tempfile::tempdir().expect("temporary directory");
        assert!(unpacked(&image, Some(false), Some(cache.path())).is_none());
        let pvh = config.is_on("PVH");
        let by_pvh = unpacked(&image, Some(pvh), Some(cache.path()));
        assert_eq!(by_pvh.is_some(), pvh);
        let first = unpacked(&image, None, Some(cache.path())).expect("unpacked");
        assert_eq!(first.release, image.release);
        let again = unpacked(&image, None, Some(cache.path())).expect("kept");
        assert_eq!(again.id, first.id);
    }
}
