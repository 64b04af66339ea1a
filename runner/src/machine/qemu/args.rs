//! Lowers a [`MachineSpec`] to QEMU's argument list. Pure, so that golden tests can hold it.

use super::spare::Spare;
use crate::machine::{Accelerator, CommandLine, MachineSpec, Platform, Transport};
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// Descriptor numbers that the QEMU process gets. Low numbers stay clear of what it opens itself.
pub mod fds {
    /// The kernel image.
    pub const KERNEL: i32 = 10;
    /// The initramfs.
    pub const INITRAMFS: i32 = 11;
    /// The serial console, a connected socket.
    pub const CONSOLE: i32 = 12;
    /// QMP, a connected socket.
    pub const QMP: i32 = 13;
    /// The link port, a connected socket.
    pub const LINK: i32 = 14;
    /// The kernel log port, a connected socket.
    pub const KLOG: i32 = 15;
}

/// The emulated processor of a machine that runs machines: a model with SVM and nested paging that KVM in the guest gets
/// along with. `max` would have virtual GIF as well, which KVM then uses, and the guest stands still sooner or later.
/// Without XSAVE, since QEMU (7.2) has XSETBV of an inner machine change the outer one's XCR0, unseen by KVM; and without
/// what cannot be used without XSAVE.
const EMULATED_SVM: &str = "EPYC,+svm,+npt,-xsave,-avx,-avx2,-f16c,-fma";

/// QEMU's arguments for one machine.
///
/// Every host object is passed as an open descriptor: no sockets and no temporary files exist in any file system.
#[must_use]
pub fn arguments(spec: &MachineSpec, accelerator: Accelerator) -> Vec<OsString> {
    let (machine, bus, suffix) = match spec.transport {
        Transport::Pci => ("q35,usb=off,vmport=off", "virtio-serial-pci", "pci"),
        Transport::Mmio => (
            "microvm,acpi=off,rtc=on,pit=on,pic=on,isa-serial=on",
            "virtio-serial-device",
            "device",
        ),
    };
    // The host's processor has what the host passes on. Emulated CPUs take turns on one thread: with a thread for each, QEMU
    // (7.2) may translate code while another CPU patches it and keep what is no longer there, and the kernel, which patches
    // itself while it boots, dies of a breakpoint that it has long removed ("Oops: int3"), once in a few dozen boots. A
    // machine with several that run machines would take two to three times as long; it has one CPU unless asked for more, and
    // init keeps it from most of that.
    let (accel, cpu) = match (accelerator, spec.nested) {
        (Accelerator::Kvm, _) => ("kvm", "host"),
        (Accelerator::Tcg, false) => ("tcg,thread=single", "max"),
        (Accelerator::Tcg, true) => ("tcg,thread=multi", EMULATED_SVM),
    };
    let mut args = Args::default();
    args.flag("-nodefaults")
        .flag("-no-user-config")
        .flag("-no-reboot");
    args.option("-name", "runner").option("-display", "none");
    let emulated_svm = spec.nested && accelerator == Accelerator::Tcg;
    // Its clock would win over the time stamp counter, and reading it leaves the emulated processor each time.
    let hpet = match (emulated_svm, spec.transport) {
        (true, Transport::Pci) => ",hpet=off",
        _ => "",
    };
    args.option("-machine", format!("{machine}{hpet}"))
        .option("-accel", accel)
        .option("-cpu", cpu);
    let cpus = if emulated_svm {
        Spare::before(spec.cpus)
    } else {
        Spare::none(spec.cpus)
    };
    args.option(
        "-smp",
        format!(
            "{},sockets={},cores={},threads={}",
            cpus.all.count(),
            cpus.all.sockets,
            cpus.all.cores,
            cpus.all.threads
        ),
    );
    args.option("-m", format!("{}M", spec.memory_mib));
    if spec.cpus.numa_nodes > 1 {
        numa(&mut args, spec, cpus.idle);
    }
    args.option("-kernel", format!("/proc/self/fd/{}", fds::KERNEL));
    args.option("-initrd", format!("/proc/self/fd/{}", fds::INITRAMFS));
    let platform = Platform::Qemu {
        accelerator,
        transport: spec.transport,
        nested: spec.nested,
        spare_cpus: cpus.idle,
    };
    let command_line = CommandLine::new(platform, &spec.append);
    args.option("-append", command_line.to_string());
    args.option("-chardev", socket("console", fds::CONSOLE));
    args.option("-serial", "chardev:console");
    args.option("-chardev", socket("qmp", fds::QMP));
    args.option("-mon", "chardev=qmp,mode=control");
    args.option("-device", format!("{bus},id=ports,max_ports=4"));
    for (id, fd, name) in [
        ("link", fds::LINK, wire::LINK_PORT),
        ("klog", fds::KLOG, wire::KLOG_PORT),
    ] {
        args.option("-chardev", socket(id, fd));
        args.option(
            "-device",
            format!("virtserialport,bus=ports.0,chardev={id},name={name}"),
        );
    }
    for (i, share) in spec.shares.iter().enumerate() {
        let mut fsdev = OsString::from(format!(
            "local,id=fs{i},security_model=none,readonly=on,multidevs=remap,path="
        ));
        fsdev.push(escape_commas(share.path.as_os_str()));
        args.option("-fsdev", fsdev);
        args.option(
            "-device",
            format!("virtio-9p-{suffix},fsdev=fs{i},mount_tag={}", share.tag),
        );
    }
    args.0
}

/// Nodes of equal parts; what memory is left over goes to the last, and the first CPUs, which are `idle`, to the first.
fn numa(args: &mut Args, spec: &MachineSpec, idle: u32) {
    let nodes = spec.cpus.numa_nodes;
    let cpus = spec.cpus.count() / nodes;
    let memory = spec.memory_mib / u64::from(nodes);
    for node in 0..nodes {
        let last = idle + (node + 1) * cpus - 1;
        let first = if node == 0 { 0 } else { last + 1 - cpus };
        let size = if node + 1 == nodes {
            spec.memory_mib - memory * u64::from(nodes - 1)
        } else {
            memory
        };
        args.option(
            "-object",
            format!("memory-backend-ram,id=mem{node},size={size}M"),
        );
        args.option(
            "-numa",
            format!("node,nodeid={node},cpus={first}-{last},memdev=mem{node}"),
        );
    }
}

fn socket(id: &str, fd: i32) -> String {
    format!("socket,id={id},fd={fd}")
}

/// QEMU's option syntax ends a value at a comma; two stand for one.
fn escape_commas(value: &OsStr) -> OsString {
    let mut escaped = Vec::with_capacity(value.len());
    for &byte in value.as_bytes() {
        escaped.push(byte);
        if byte == b',' {
            escaped.push(byte);
        }
    }
    OsString::from_vec(escaped)
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.into());
        self
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.push(name.into());
        self.0.push(value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{ShareSpec, Topology};
    use std::{fs::File, sync::Arc};

    fn spec(transport: Transport) -> MachineSpec {
        let null = || Arc::new(File::open("/dev/null").expect("exists").into());
        MachineSpec {
            kernel: null(),
            initramfs: null(),
            append: vec!["foo=1".into()],
            cpus: Topology::flat(3),
            memory_mib: 640,
            transport,
            acpi: true,
            nested: false,
            start_kernel: None,
            shares: vec![
                ShareSpec {
                    tag: "runner.root".into(),
                    path: "/".into(),
                },
                ShareSpec {
                    tag: "runner.1".into(),
                    path: "/odd,path".into(),
                },
            ],
        }
    }

    fn text(spec: &MachineSpec, accelerator: Accelerator) -> String {
        let args = arguments(spec, accelerator);
        let words: Vec<_> = args.iter().map(|a| a.to_str().expect("ASCII")).collect();
        words.join(" ")
    }

    #[test]
    fn golden_pci_under_emulation() {
        assert_eq!(
            text(&spec(Transport::Pci), Accelerator::Tcg),
            "-nodefaults -no-user-config -no-reboot -name runner -display none \
             -machine q35,usb=off,vmport=off -accel tcg,thread=single -cpu max -smp 3,sockets=1,cores=3,threads=1 -m 640M \
             -kernel /proc/self/fd/10 -initrd /proc/self/fd/11 \
             -append console=ttyS0 printk.time=1 panic=-1 rdinit=/init loglevel=7 i8042.noaux i8042.nomux i8042.dumbkbd no_timer_check foo=1 \
             -chardev socket,id=console,fd=12 -serial chardev:console \
             -chardev socket,id=qmp,fd=13 -mon chardev=qmp,mode=control \
             -device virtio-serial-pci,id=ports,max_ports=4 \
             -chardev socket,id=link,fd=14 -device virtserialport,bus=ports.0,chardev=link,name=runner.link \
             -chardev socket,id=klog,fd=15 -device virtserialport,bus=ports.0,chardev=klog,name=runner.klog \
             -fsdev local,id=fs0,security_model=none,readonly=on,multidevs=remap,path=/ \
             -device virtio-9p-pci,fsdev=fs0,mount_tag=runner.root \
             -fsdev local,id=fs1,security_model=none,readonly=on,multidevs=remap,path=/odd,,path \
             -device virtio-9p-pci,fsdev=fs1,mount_tag=runner.1"
        );
    }

    #[test]
    fn golden_mmio_under_kvm() {
        let text = text(&spec(Transport::Mmio), Accelerator::Kvm);
        assert!(
            text.contains(
                "-machine microvm,acpi=off,rtc=on,pit=on,pic=on,isa-serial=on -accel kvm -cpu host"
            ),
            "{text}"
        );
        assert!(text.contains(" reboot=t foo=1"), "{text}");
        assert!(text.contains("virtio-9p-device,"), "{text}");
        assert!(!text.contains("pci"), "{text}");
    }

    #[test]
    fn nodes_get_equal_parts() {
        let mut spec = spec(Transport::Pci);
        spec.cpus = Topology {
            sockets: 2,
            cores: 2,
            threads: 2,
            numa_nodes: 2,
        };
        spec.memory_mib = 641;
        let text = text(&spec, Accelerator::Kvm);
        assert!(
            text.contains(
                "-smp 8,sockets=2,cores=2,threads=2 -m 641M \
                 -object memory-backend-ram,id=mem0,size=320M -numa node,nodeid=0,cpus=0-3,memdev=mem0 \
                 -object memory-backend-ram,id=mem1,size=321M -numa node,nodeid=1,cpus=4-7,memdev=mem1 "
            ),
            "{text}"
        );
    }

    #[test]
    fn golden_nested() {
        let nested = MachineSpec {
            nested: true,
            ..spec(Transport::Pci)
        };
        let emulated = text(&nested, Accelerator::Tcg);
        let plain = text(&spec(Transport::Pci), Accelerator::Tcg);
        let expected = plain
            .replace(
                "-machine q35,usb=off,vmport=off -accel tcg,thread=single -cpu max",
                "-machine q35,usb=off,vmport=off,hpet=off -accel tcg,thread=multi \
                 -cpu EPYC,+svm,+npt,-xsave,-avx,-avx2,-f16c,-fma",
            )
            .replace("-smp 3,sockets=1,cores=3", "-smp 4,sockets=1,cores=4")
            .replace(
                "no_timer_check foo=1",
                "no_timer_check tsc=reliable isolcpus=0 foo=1",
            );
        assert_eq!(emulated, expected);
        // What the host passes on is a matter of its KVM module.
        assert_eq!(
            text(&nested, Accelerator::Kvm),
            text(&spec(Transport::Pci), Accelerator::Kvm)
        );
    }

    #[test]
    fn every_share_is_read_only() {
        let args = arguments(&spec(Transport::Pci), Accelerator::Tcg);
        let shares = args.windows(2).filter(|w| w[0] == "-fsdev");
        assert_eq!(shares.clone().count(), 2);
        for share in shares {
            assert!(share[1].to_str().expect("ASCII").contains(",readonly=on,"));
        }
    }
}
