//! What the machine says about itself.

use std::fs;

/// CPUs online.
pub fn cpus_online() -> u32 {
    fs::read_to_string("/sys/devices/system/cpu/online")
        .ok()
        .and_then(|list| count_list(&list))
        .unwrap_or(1)
}

/// Numbers named by a kernel list such as `0-3,8`, or `None` when it is not one.
pub fn parse_list(list: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        // The kernel supports 8192 CPUs at most; anything longer is not such a list.
        if last < first || last - first > 8192 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

fn count_list(list: &str) -> Option<u32> {
    u32::try_from(parse_list(list)?.len()).ok()
}

/// Whether there is a KVM here, and init may use it.
pub fn has_kvm() -> bool {
    fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok()
}

/// `MemTotal` of `/proc/meminfo` in KiB; 0 when it cannot be read.
pub fn memory_kib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    parse_memory(&text).unwrap_or(0)
}

fn parse_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// `/proc/sys/kernel/tainted`; 0 when it cannot be read.
pub fn taint() -> u64 {
    read_number("/proc/sys/kernel/tainted").unwrap_or(0)
}

/// The number that a one-line file holds.
pub fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `CLOCK_BOOTTIME` in microseconds.
pub fn uptime_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    u64::try_from(micros).unwrap_or(0)
}

/// `uname -r`.
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(count_list("0\n"), Some(1));
        assert_eq!(count_list("0-3,8\n"), Some(5));
        assert_eq!(count_list("3-0"), None);
        assert_eq!(count_list(""), None);
        assert_eq!(count_list("0-4294967295"), None);
    }

    #[test]
    fn memory_is_taken_from_its_line() {
        let text = "MemFree: 5 kB\nMemTotal:       1012345 kB\n";
        assert_eq!(parse_memory(text), Some(1_012_345));
        assert_eq!(parse_memory("MemTotal: many kB"), None);
    }
}
