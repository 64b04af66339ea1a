//! Lowers a [`MachineSpec`] to the monitor's configuration. Pure, so that golden tests can hold it.

use crate::machine::{CommandLine, MachineSpec, Platform, Transport};
use vmm_core::config::{self, BootConfig, CpuConfig, MemoryConfig, Share, VmConfig};

/// Guest memory comes in pieces of so many MiB.
const MEMORY_STEP: u64 = 2;

/// The console ports of every machine, in the order of their descriptors.
pub const PORTS: [&str; 2] = [wire::LINK_PORT, wire::KLOG_PORT];

/// The monitor's configuration for one machine. Memory is rounded up to what it can be.
#[must_use]
pub fn lower(spec: &MachineSpec) -> VmConfig {
    let platform = Platform::Kvm {
        acpi: spec.acpi,
        transport: spec.transport,
    };
    VmConfig {
        cpus: CpuConfig {
            sockets: spec.cpus.sockets,
            cores: spec.cpus.cores,
            threads: spec.cpus.threads,
            numa_nodes: spec.cpus.numa_nodes,
            nested: spec.nested,
        },
        memory: MemoryConfig {
            bytes: spec
                .memory_mib
                .next_multiple_of(MEMORY_STEP * u64::from(spec.cpus.numa_nodes))
                << 20,
            huge_pages: true,
            file: false,
        },
        boot: BootConfig {
            command_line: CommandLine::new(platform, &spec.append).to_string(),
            acpi: spec.acpi,
            start_kernel: spec.start_kernel,
        },
        transport: match spec.transport {
            Transport::Pci => config::Transport::Pci,
            Transport::Mmio => config::Transport::Mmio,
        },
        ports: PORTS.map(str::to_owned).into(),
        shares: spec
            .shares
            .iter()
            .map(|share| Share {
                tag: share.tag.clone(),
                path: share.path.clone(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{ShareSpec, Topology};
    use std::{fs::File, sync::Arc};

    fn spec() -> MachineSpec {
        let null = || Arc::new(File::open("/dev/null").expect("exists").into());
        MachineSpec {
            kernel: null(),
            initramfs: null(),
            append: vec!["foo=1".into()],
            cpus: Topology::flat(3),
            memory_mib: 641,
            transport: Transport::Pci,
            acpi: true,
            nested: false,
            start_kernel: Some(0xffff_ffff_8123_4567),
            shares: vec![ShareSpec {
                tag: "runner.root".into(),
                path: "/odd,path".into(),
            }],
        }
    }

    #[test]
    fn golden() {
        let json = serde_json::to_value(lower(&spec())).expect("plain data");
        assert_eq!(
            json,
            serde_json::json!({
                "cpus": {"sockets": 1, "cores": 3, "threads": 1, "numa_nodes": 1, "nested": false},
                "memory": {"bytes": 642 << 20, "huge_pages": true, "file": false},
                "boot": {
                    "command_line":
                        "console=ttyS0 printk.time=1 panic=-1 rdinit=/init loglevel=4 foo=1",
                    "acpi": true,
                    "start_kernel": 0xffff_ffff_8123_4567_u64,
                },
                "transport": "pci",
                "ports": ["runner.link", "runner.klog"],
                "shares": [{"tag": "runner.root", "path": "/odd,path"}],
            })
        );
    }

    #[test]
    fn a_machine_that_runs_machines_sees_virtualization() {
        let mut spec = spec();
        let plain = lower(&spec);
        spec.nested = true;
        let nested = lower(&spec);
        assert!(nested.cpus.nested);
        assert_eq!(nested.boot.command_line, plain.boot.command_line);
    }

    #[test]
    fn a_kernel_without_acpi_is_spared_the_keyboards_probe() {
        let mut spec = spec();
        spec.acpi = false;
        spec.transport = Transport::Mmio;
        spec.cpus = Topology {
            sockets: 2,
            cores: 2,
            threads: 2,
            numa_nodes: 2,
        };
        let config = lower(&spec);
        assert_eq!(config.cpus.count(), 8);
        assert_eq!(config.memory.bytes, 644 << 20);
        assert_eq!(config.transport, config::Transport::Mmio);
        assert!(!config.boot.acpi);
        let line = config.boot.command_line;
        assert!(line.contains(" i8042.dumbkbd foo=1"), "{line}");
    }
}
