//! Names for the addresses of the kernel under test.

use crate::{
    kernel::{self, KernelImage},
    session,
};
use std::sync::OnceLock;

/// The symbols of a kernel, read when the first of them is asked for: few runs ever do.
struct Names {
    image: KernelImage,
    symbols: OnceLock<Option<kernel::Symbols>>,
}

/// Names out of what the machine loads; `None` when that can no longer be read.
pub fn names(loaded: &KernelImage) -> Option<Box<dyn session::Symbols>> {
    let image = KernelImage::open(&loaded.path).ok()?;
    (image.id == loaded.id).then(|| {
        let symbols = OnceLock::new();
        Box::new(Names { image, symbols }) as Box<dyn session::Symbols>
    })
}

impl session::Symbols for Names {
    fn resolve(&self, address: u64) -> Option<(&str, u64)> {
        let symbols = self
            .symbols
            .get_or_init(|| kernel::Symbols::of(&self.image));
        let (name, offset, _) = symbols.as_ref()?.resolve(address)?;
        Some((name, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_kernels_functions_have_names() {
        let Some(kernel) = std::env::var_os("RUNNER_TEST_KERNEL") else {
            println!("SKIP: RUNNER_TEST_KERNEL names no kernel");
            return;
        };
        let image = KernelImage::open(kernel.as_ref()).expect("a kernel");
        let panic = kernel::Symbols::of(&image)
            .and_then(|symbols| symbols.address_of("panic"))
            .expect("a kernel with symbols");
        let names = names(&image).expect("still the same file");
        assert_eq!(names.resolve(panic + 7), Some(("panic", 7)));
        assert_eq!(names.resolve(7), None);
    }

    #[test]
    fn a_kernel_that_was_replaced_has_no_names() {
        let Some(kernel) = std::env::var_os("RUNNER_TEST_KERNEL") else {
            println!("SKIP: RUNNER_TEST_KERNEL names no kernel");
            return;
        };
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("kernel");
        std::fs::copy(&kernel, &path).expect("copied");
        let image = KernelImage::open(&path).expect("a kernel");
        let other = dir.path().join("other");
        std::fs::copy(&kernel, &other).expect("copied");
        std::fs::rename(&other, &path).expect("renamed");
        assert!(names(&image).is_none());
    }
}
