//! Starting the process of a machine.

use super::{
    handover::{Parts, send},
    lower::{PORTS, lower},
    process::machine_command,
    watched::KvmMachine,
};
use crate::{
    artifact::sealed_file,
    machine::{
        Accelerator, Boots, Engine, HostPorts, LaunchError, Launched, MachineSpec, VmlinuxEntry,
    },
};
use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::Stdio,
};

/// Our own monitor.
pub struct Kvm {
    reason: String,
}

impl Kvm {
    /// `reason` says why this engine.
    #[must_use]
    pub const fn new(reason: String) -> Self {
        Self { reason }
    }
}

impl Engine for Kvm {
    fn name(&self) -> &'static str {
        "kvm"
    }

    fn accelerator(&self) -> Accelerator {
        Accelerator::Kvm
    }

    fn reason(&self) -> &str {
        &self.reason
    }

    fn advice(&self) -> Option<&str> {
        None
    }

    fn boots(&self) -> Boots {
        Boots {
            vmlinux: VmlinuxEntry::Long,
            unpacked: true,
            mmio_by_acpi: true,
        }
    }

    fn launch(&self, spec: &MachineSpec) -> Result<Launched, LaunchError> {
        let host = |action: &str| {
            let action = action.to_owned();
            move |source: io::Error| LaunchError::Host { action, source }
        };
        let pair = || -> io::Result<(UnixStream, UnixStream)> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok((ours, theirs))
        };
        let make = "make the sockets of a machine";
        let (control, their_control) = pair().map_err(host(make))?;
        let (console, their_console) = pair().map_err(host(make))?;
        let (link, their_link) = pair().map_err(host(make))?;
        let (klog, their_klog) = pair().map_err(host(make))?;
        let theirs: [(&str, UnixStream); PORTS.len()] =
            [(wire::LINK_PORT, their_link), (wire::KLOG_PORT, their_klog)];

        let json = serde_json::to_vec(&lower(spec)).expect("the configuration has a JSON form");
        let config = sealed_file("machine", json.as_slice())
            .and_then(|config| reopen(&config))
            .map_err(host("keep a machine's configuration in memory"))?;
        let open = "open the kernel and the initramfs for a machine";
        let kernel = reopen(&spec.kernel).map_err(host(open))?;
        let initramfs = reopen(&spec.initramfs).map_err(host(open))?;
        let parts = Parts {
            config: config.as_fd(),
            kernel: kernel.as_fd(),
            initramfs: initramfs.as_fd(),
            console: their_console.as_fd(),
            ports: PORTS
                .iter()
                .map(|port| {
                    let end = theirs.iter().find(|(name, _)| name == port);
                    end.expect("every port has a socket").1.as_fd()
                })
                .collect(),
        };
        send(&control, &parts).map_err(host("pass descriptors to a machine"))?;

        let mut command = machine_command();
        command
            .stdin(OwnedFd::from(their_control))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = command
            .spawn()
            .map_err(host("start the process of a machine"))?;
        // The command, and this function up to its end, hold the machine's ends of the sockets: a dead machine must
        // show as closed ports.
        drop(command);
        let machine = KvmMachine::watch(child, control).map_err(host("watch a machine"))?;
        Ok(Launched {
            machine: Box::new(machine),
            ports: HostPorts {
                link,
                klog,
                console,
            },
        })
    }
}

/// A sealed file opened anew, with a position of its own: several machines may read it at once.
fn reopen(file: &OwnedFd) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
