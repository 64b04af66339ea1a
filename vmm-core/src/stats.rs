//! Counts of exits, by cause.

use std::collections::HashMap;

/// What made a vCPU return to user space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A read of a port.
    IoIn(u16),
    /// A write to a port.
    IoOut(u16),
    /// A read of a device's registers.
    MmioRead(&'static str),
    /// A write to a device's registers.
    MmioWrite(&'static str),
    /// A signal, or a vCPU that was woken before it was started.
    Interrupted,
    /// Anything else that needs nothing from us.
    Other,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IoIn(port) => write!(f, "io_in:{port:#x}"),
            Self::IoOut(port) => write!(f, "io_out:{port:#x}"),
            Self::MmioRead(name) => write!(f, "mmio_read:{name}"),
            Self::MmioWrite(name) => write!(f, "mmio_write:{name}"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// The sum of `counts`, greatest first, and the total.
pub(crate) fn sum<'a>(
    counts: impl IntoIterator<Item = &'a HashMap<Cause, u64>>,
) -> (Vec<(String, u64)>, u64) {
    let mut sums: HashMap<Cause, u64> = HashMap::new();
    for (&cause, &count) in counts.into_iter().flatten() {
        *sums.entry(cause).or_default() += count;
    }
    let total = sums.values().sum();
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|&(cause, count)| (std::cmp::Reverse(count), cause));
    let named = sums
        .into_iter()
        .map(|(cause, count)| (cause.to_string(), count))
        .collect();
    (named, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greatest_first() {
        let one = HashMap::from([(Cause::IoOut(0x3f8), 3), (Cause::MmioRead("pci"), 9)]);
        let two = HashMap::from([(Cause::IoOut(0x3f8), 4)]);
        assert_eq!(
            sum([&one, &two]),
            (
                vec![("mmio_read:pci".into(), 9), ("io_out:0x3f8".into(), 7)],
                16
            )
        );
    }
}
