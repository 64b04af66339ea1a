//! `--cpus` and how the CPUs are told to belong together.

use super::args::parse_cpus;
use crate::machine::{Accelerator, Topology};

/// Most CPUs: what a machine without interrupt remapping can address.
const MOST: u32 = 255;

/// Number of CPUs where nothing is said.
///
/// Emulated CPUs that run machines are one. With two, QEMU (7.2) translates code while another CPU patches it and goes on to
/// execute what is no longer there: of the machines inside, one in some dozens dies of `Oops: int3` while it boots.
#[must_use]
pub const fn unasked(nested: bool, accelerator: Accelerator) -> u32 {
    match (nested, accelerator) {
        (true, Accelerator::Tcg) => 1,
        _ => 2,
    }
}

/// The virtual CPUs of a machine.
#[derive(Debug, clap::Args)]
pub struct CpuArgs {
    /// Virtual CPUs [default: what sockets, cores and threads give, else 2; 1 with --nested under software emulation]
    #[arg(long, value_name = "N", value_parser = parse_cpus, allow_negative_numbers = true)]
    cpus: Option<u32>,
    /// Sockets they are spread over [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_cpus, allow_negative_numbers = true)]
    sockets: Option<u32>,
    /// Cores of a socket [default: as many as it takes]
    #[arg(long, value_name = "N", value_parser = parse_cpus, allow_negative_numbers = true)]
    cores: Option<u32>,
    /// Threads of a core [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_cpus, allow_negative_numbers = true)]
    threads: Option<u32>,
    /// NUMA nodes that CPUs and memory are spread over in equal parts
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_cpus, allow_negative_numbers = true)]
    numa: u32,
}

impl CpuArgs {
    /// What the options mean together, in a machine of so many MiB that has `unasked` CPUs where nothing is said of them.
    ///
    /// # Errors
    /// When they contradict each other, in words.
    pub fn topology(&self, unasked: u32, memory_mib: u64) -> Result<Topology, String> {
        let threads = self.threads.unwrap_or(1);
        let asked = match (self.cpus, self.sockets, self.cores, self.threads) {
            (None, None, None, None) => Some(unasked),
            (cpus, ..) => cpus,
        };
        let (sockets, cores) = match (asked, self.sockets, self.cores) {
            (Some(cpus), Some(sockets), None) => (sockets, cpus / sockets.saturating_mul(threads)),
            (Some(cpus), None, Some(cores)) => (cpus / cores.saturating_mul(threads), cores),
            // A node is a socket where that comes out even, as it is on most hardware.
            (Some(cpus), None, None) if cpus.is_multiple_of(self.numa.saturating_mul(threads)) => {
                (self.numa, cpus / self.numa / threads)
            }
            (Some(cpus), None, None) => (1, cpus / threads),
            (_, sockets, cores) => (sockets.unwrap_or(1), cores.unwrap_or(1)),
        };
        let topology = Topology {
            sockets,
            cores,
            threads,
            numa_nodes: self.numa,
        };
        let count = topology.count();
        if let Some(cpus) = asked.filter(|&cpus| cpus != count) {
            return Err(format!(
                "--cpus {cpus} is not what --sockets, --cores and --threads give: leave one of them out, or make their product {cpus}"
            ));
        }
        if count > MOST {
            return Err(format!(
                "--sockets, --cores and --threads give {count} CPUs, and {MOST} are the most"
            ));
        }
        if !count.is_multiple_of(self.numa) {
            return Err(format!(
                "--numa {}: {count} CPUs cannot be spread evenly over so many nodes",
                self.numa
            ));
        }
        // Less than this is no node that a kernel could use.
        const NODE_MIB: u64 = 32;
        if memory_mib / u64::from(self.numa) < NODE_MIB {
            return Err(format!(
                "--numa {}: a node would have less than {NODE_MIB} MiB of the {memory_mib}; give more --memory",
                self.numa
            ));
        }
        Ok(topology)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        cpus: CpuArgs,
    }

    #[test]
    fn emulated_cpus_that_run_machines_are_one_unless_asked() {
        assert_eq!(unasked(true, Accelerator::Tcg), 1);
        for (nested, accelerator) in [(false, Accelerator::Tcg), (true, Accelerator::Kvm)] {
            assert_eq!(unasked(nested, accelerator), 2);
        }
        assert_eq!(topology_with(1, ""), Ok((1, 1, 1, 1)));
        assert_eq!(topology_with(1, "--cpus 2"), Ok((1, 2, 1, 1)));
        assert_eq!(topology_with(1, "--sockets 2"), Ok((2, 1, 1, 1)));
    }

    fn topology(line: &str) -> Result<(u32, u32, u32, u32), String> {
        topology_with(2, line)
    }

    fn topology_with(unasked: u32, line: &str) -> Result<(u32, u32, u32, u32), String> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map_err(|e| e.to_string())?;
        let t = parsed.cpus.topology(unasked, 1024)?;
        Ok((t.sockets, t.cores, t.threads, t.numa_nodes))
    }

    #[test]
    fn what_is_left_out_is_found() {
        for (line, expected) in [
            ("", (1, 2, 1, 1)),
            ("--cpus 5", (1, 5, 1, 1)),
            ("--cpus 8 --sockets 2", (2, 4, 1, 1)),
            ("--cpus 8 --threads 2", (1, 4, 2, 1)),
            ("--cpus 8 --cores 2", (4, 2, 1, 1)),
            ("--cpus 8 --cores 2 --threads 2", (2, 2, 2, 1)),
            ("--sockets 2 --cores 2 --threads 2 --numa 2", (2, 2, 2, 2)),
            ("--sockets 3", (3, 1, 1, 1)),
            ("--cpus 8 --sockets 2 --cores 2 --threads 2", (2, 2, 2, 1)),
        ] {
            assert_eq!(topology(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for (line, words) in [
            ("--cpus 3 --threads 2", "--cpus 3 is not"),
            ("--cpus 4 --sockets 2 --cores 3", "--cpus 4 is not"),
            ("--cpus 1 --sockets 2", "--cpus 1 is not"),
            ("--sockets 16 --cores 16", "256 CPUs"),
            ("--sockets 255 --cores 255 --threads 255", "CPUs, and 255"),
            ("--cpus 3 --numa 2", "evenly"),
            ("--cpus 64 --numa 64", "less than 32 MiB"),
            ("--numa 0", "from 1 to 255"),
        ] {
            let error = topology(line).expect_err(line);
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
