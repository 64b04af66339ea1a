//! Where the debug information of the kernel under test may be.

use crate::kernel::{Format, KernelImage, tree_of};
use std::path::{Path, PathBuf};

/// The vmlinux of an image: itself, that of the build tree it lies in, or that of a distribution's debug package. Whether it
/// has debug information shows when it is opened.
#[must_use]
pub fn debug_info(image: &KernelImage) -> Option<PathBuf> {
    if matches!(image.format, Format::Vmlinux(_)) {
        return Some(image.path.clone());
    }
    let release = &image.release;
    let in_tree = tree_of(&image.path).map(|tree| tree.join("vmlinux"));
    let beside = image.path.with_file_name(format!("vmlinux-{release}"));
    let debug = Path::new("/usr/lib/debug");
    let packaged = [
        debug.join(format!("boot/vmlinux-{release}")),
        debug.join(format!("lib/modules/{release}/vmlinux")),
    ];
    let mut places = in_tree.into_iter().chain([beside]).chain(packaged);
    places.find(|path| path.is_file())
}
