//! Builds a machine: the only file that names every device.
//!
//! | step | needs | leaves |
//! |---|---|---|
//! | memory | size | address space of the guest, untouched |
//! | KVM's machine | memory | interrupt controllers, timer, memory slots |
//! | platform devices | interrupt lines | the port bus |
//! | virtio | memory, interrupts | devices on their transport, inactive |
//! | tables | CPUs, number of devices | ACPI and MP tables in the BIOS area |
//! | kernel | memory, where the tables are | kernel, initramfs, command line, entry state |
//! | vCPUs | CPUID, entry state | threads that wait to be let go |

use crate::{
    boot::{self, LoadError, acpi, mptable, reset_vector},
    bus::{Bus, BusDevice, Overlap},
    config::{Transport, VmConfig},
    control::{Event, Mark, QueueStatistics, StopReason},
    devices::{AcpiPower, DebugPort, EndSignal, Ending, I8042, Pvpanic, Rtc, Serial, i8042},
    irq::InterruptController,
    kvm::{Buses, KvmError, KvmInterrupts, OnBreakpoint, OnEnd, Vcpu, VcpuEnd, Vcpus, Vm, call},
    layout::{self, gsi, port},
    machine::{Descriptors, Signals},
    memory::{GuestRam, RamError},
    virtio::{
        VirtioDevice,
        console::Console,
        p9::{P9, TagTooLong},
        rng::Rng,
        transport::{MmioTransport, PciRoot, mmio},
    },
    x86,
};
use kvm_bindings::{KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_USE_HW_BP, kvm_guest_debug};
use kvm_ioctls::{IoEventAddress, VcpuFd};
use ninep::{Limits, Server};
use std::{
    fs::File,
    io,
    sync::{Arc, Mutex, atomic::Ordering},
};
use vm_memory::{Bytes, GuestAddress};

/// Why a machine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Guest memory.
    #[error(transparent)]
    Ram(#[from] RamError),
    /// KVM.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// The kernel or its initramfs.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The ACPI tables.
    #[error("cannot describe the machine in ACPI tables")]
    Acpi(#[from] acpi::AcpiError),
    /// The MP table.
    #[error("cannot describe the machine in an MP table")]
    MpTable(#[from] mptable::MpTableError),
    /// CPUID.
    #[error("cannot describe the processors")]
    Cpuid(#[from] x86::cpuid::CpuidError),
    /// The state a vCPU starts in.
    #[error("cannot set up a vCPU")]
    Registers(#[from] x86::registers::RegistersError),
    /// A mistake in the address map.
    #[error("the address map is wrong: {0}")]
    Overlap(#[from] Overlap),
    /// As many devices as the machine was asked to have do not fit on its bus.
    #[error("{wanted} virtio devices, and there is room for {limit}: fewer shares are the way out")]
    TooManyDevices {
        /// Devices wanted.
        wanted: usize,
        /// Devices possible.
        limit: usize,
    },
    /// The process may not open as many files as it takes.
    #[error(
        "this process may have {limit} files open, and a machine takes {needed} or more: raise the limit (ulimit -n)"
    )]
    TooFewFiles {
        /// `RLIMIT_NOFILE`, the hard one.
        limit: u64,
        /// What is wanted.
        needed: u64,
    },
    /// A device.
    #[error("cannot make the {device} device")]
    Device {
        /// Its name.
        device: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A host directory.
    #[error("cannot share a directory")]
    Share(#[from] ninep::OpenError),
    /// A mount tag.
    #[error(transparent)]
    Tag(#[from] TagTooLong),
    /// What the machine's own threads and descriptors need.
    #[error("cannot set up the monitor")]
    Monitor(#[source] io::Error),
}

impl Error {
    pub(crate) fn control(source: io::Error) -> Self {
        Self::Monitor(source)
    }
}

fn device(device: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Device { device, source }
}

/// A machine that is ready to run.
pub(crate) struct Assembled {
    pub(crate) vcpus: Vcpus,
    pub(crate) virtio: Virtio,
    pub(crate) serial: Arc<Serial>,
    pub(crate) vm: Vm,
}

/// The virtio devices, on whichever bus.
pub(crate) enum Virtio {
    Pci(Arc<PciRoot>),
    Mmio(Vec<Arc<MmioTransport>>),
}

impl Virtio {
    /// Takes the queues from the devices, after they have finished what they were given.
    pub(crate) fn pause(&self) {
        match self {
            Self::Pci(root) => root.pause_all(),
            Self::Mmio(devices) => devices.iter().for_each(|device| device.pause()),
        }
    }

    /// Gives the queues back.
    pub(crate) fn resume(&self) {
        match self {
            Self::Pci(root) => root.resume_all(),
            Self::Mmio(devices) => devices.iter().for_each(|device| device.resume()),
        }
    }

    /// Counts of every queue.
    pub(crate) fn statistics(&self) -> Vec<QueueStatistics> {
        let counters = match self {
            Self::Pci(root) => root.counters(),
            Self::Mmio(devices) => devices.iter().flat_map(|d| d.counters()).collect(),
        };
        counters
            .iter()
            .map(|counter| counter.statistics())
            .collect()
    }
}

/// Builds the machine that `config` describes. The guest does not run yet.
pub(crate) fn assemble(
    config: &VmConfig,
    descriptors: Descriptors,
    signals: &Signals,
) -> Result<Assembled, Error> {
    let vcpus = config.cpus.count();
    let ram = GuestRam::new(&config.memory)?;
    let vm = Vm::new(ram.clone(), vcpus)?;
    let interrupts: Arc<dyn InterruptController> = Arc::new(KvmInterrupts::new(vm.fd().clone()));

    let mut ports = Bus::default();
    let mut mmio = Bus::default();
    let serial = platform_devices(&mut ports, descriptors.console, &*interrupts, signals)?;

    let devices = virtio_devices(config, descriptors.ports)?;
    let count = devices.len();
    let virtio = match config.transport {
        Transport::Pci => pci(&ram, devices, &interrupts, &mut ports, &mut mmio)?,
        Transport::Mmio => mmio_devices(&ram, devices, &interrupts, &mut mmio)?,
    };

    let rsdp = write_tables(config, &ram, count)?;
    let command_line = command_line(config, count);
    let initramfs = descriptors.initramfs.map(File::from);
    let loaded = boot::load(
        &ram,
        &File::from(descriptors.kernel),
        initramfs.as_ref(),
        &command_line,
        rsdp,
    )?;

    let cpuid = x86::cpuid::policy(&vm.supported_cpuid()?, &config.cpus, vm.has_tsc_deadline())?;
    let coalesced = keep_writes(&vm, config.transport, count).then(Mutex::default);
    let buses = Arc::new(Buses {
        ports,
        mmio,
        coalesced,
    });
    let mut all = vec![];
    for id in 0..vcpus {
        let apic_id = x86::topology::apic_id(&config.cpus, id);
        let fd = vm.create_vcpu(apic_id, &cpuid.for_vcpu(id))?;
        set_boot_msrs(&fd)?;
        if id == 0 {
            x86::registers::enter(&fd, &ram, &loaded)?;
            if let Some(address) = config.boot.start_kernel {
                set_breakpoint(&fd, address).map_err(call("set a breakpoint"))?;
            }
        }
        all.push(Vcpu::new(fd, buses.clone()));
    }
    let (on_breakpoint, on_end) = vcpu_signals(signals);
    let vcpus = Vcpus::new(all, &on_breakpoint, &on_end).map_err(Error::Monitor)?;
    Ok(Assembled {
        vcpus,
        virtio,
        serial,
        vm,
    })
}

/// Has KVM keep back writes that nobody misses before the next exit, where it can. Whether it does.
fn keep_writes(vm: &Vm, transport: Transport, devices: usize) -> bool {
    let mut kept = vec![
        // Choosing the register to access has no effect before the access, and the kernel chooses each time.
        (IoEventAddress::Pio(port::PCI_CONFIG.into()), 4),
        (IoEventAddress::Pio(port::RTC.into()), 1),
        // A driver asks the serial port for room before its characters, and whether they are out after the last.
        (IoEventAddress::Pio(port::COM1.into()), 1),
    ];
    if transport == Transport::Mmio {
        for (base, _) in mmio_places().take(devices) {
            let silent = mmio::SILENT.into_iter();
            kept.extend(silent.map(|(at, len)| (IoEventAddress::Mmio(base + u64::from(at)), len)));
        }
    }
    vm.coalesce(&kept)
}

/// The devices at fixed ports.
fn platform_devices(
    ports: &mut Bus,
    console: std::os::unix::net::UnixStream,
    interrupts: &dyn InterruptController,
    signals: &Signals,
) -> Result<Arc<Serial>, Error> {
    let end = end_signal(signals);
    let line = interrupts.edge(gsi::COM1).map_err(device("serial"))?;
    let serial = Arc::new(Serial::new(console, line).map_err(device("serial"))?);
    let line = interrupts.edge(gsi::RTC).map_err(device("rtc"))?;
    let rtc = Rtc::new(line).map_err(device("rtc"))?;
    let panicked = {
        let events = signals.events.clone();
        Arc::new(move || events.send(&Event::Panicked))
    };
    let reached = {
        let signals = signals.clone();
        Arc::new(move |mark, nanos| {
            if mark == Mark::PowerOff {
                signals.announced.store(true, Ordering::Relaxed);
            }
            signals.events.send(&Event::Mark { mark, nanos });
        })
    };
    let devices: [(&'static str, u16, u64, Arc<dyn BusDevice>); 6] = [
        ("serial", port::COM1, 8, serial.clone()),
        (
            "i8042",
            port::I8042_DATA,
            i8042::LEN,
            Arc::new(I8042::new(end.clone())),
        ),
        ("rtc", port::RTC, 2, Arc::new(rtc)),
        (
            "pvpanic",
            port::PVPANIC,
            1,
            Arc::new(Pvpanic::new(panicked)),
        ),
        ("debug", port::DEBUG, 1, Arc::new(DebugPort::new(reached))),
        ("acpi", port::ACPI, 3, Arc::new(AcpiPower::new(end))),
    ];
    for (name, first, len, device) in devices {
        let first = u64::from(first);
        ports.insert(name, first..first + len, device)?;
    }
    Ok(serial)
}

/// Console first, so that what a guest has to say is among the first things that work.
fn virtio_devices(
    config: &VmConfig,
    ports: Vec<std::os::unix::net::UnixStream>,
) -> Result<Vec<Box<dyn VirtioDevice>>, Error> {
    let named = config.ports.iter().cloned().zip(ports).collect();
    let console = Console::new(None, named).map_err(device("console"))?;
    let mut devices: Vec<Box<dyn VirtioDevice>> = vec![Box::new(console), Box::new(Rng::new())];
    for share in &config.shares {
        let server = Server::new(&share.path, Limits::default())?;
        devices.push(Box::new(P9::new(&share.tag, server)?));
    }
    Ok(devices)
}

fn pci(
    ram: &GuestRam,
    devices: Vec<Box<dyn VirtioDevice>>,
    interrupts: &Arc<dyn InterruptController>,
    ports: &mut Bus,
    mmio: &mut Bus,
) -> Result<Virtio, Error> {
    let root = PciRoot::new();
    for virtio in devices {
        let name = virtio.name();
        root.add_virtio(ram.clone(), virtio, interrupts.clone())
            .map_err(device(name))?;
    }
    let first = u64::from(port::PCI_CONFIG);
    ports.insert("pci config", first..first + 8, root.config_ports())?;
    let area = |area: layout::Area| area.start..area.end();
    mmio.insert("pci config", area(layout::ECAM), root.ecam())?;
    mmio.insert("pci", area(layout::PCI_WINDOW), root.window())?;
    Ok(Virtio::Pci(root))
}

fn mmio_devices(
    ram: &GuestRam,
    devices: Vec<Box<dyn VirtioDevice>>,
    interrupts: &Arc<dyn InterruptController>,
    mmio: &mut Bus,
) -> Result<Virtio, Error> {
    let (wanted, limit) = (devices.len(), gsi::MMIO.len());
    if wanted > limit {
        return Err(Error::TooManyDevices { wanted, limit });
    }
    let mut all = vec![];
    for ((base, gsi), virtio) in mmio_places().zip(devices) {
        let name = virtio.name();
        let transport = MmioTransport::new(ram.clone(), virtio, interrupts.clone(), base, gsi)
            .map_err(device(name))?;
        let transport = Arc::new(transport);
        mmio.insert(
            "virtio-mmio",
            base..base + layout::VIRTIO_MMIO_STRIDE,
            transport.clone(),
        )?;
        all.push(transport);
    }
    Ok(Virtio::Mmio(all))
}

/// Address and line of each virtio-mmio device, in order.
fn mmio_places() -> impl Iterator<Item = (u64, u32)> {
    (0..)
        .map(|n| layout::VIRTIO_MMIO.start + n * layout::VIRTIO_MMIO_STRIDE)
        .zip(gsi::MMIO)
}

/// Puts the tables into memory; where the RSDP is, if there is one.
fn write_tables(config: &VmConfig, ram: &GuestRam, devices: usize) -> Result<Option<u64>, Error> {
    let put = |bytes: &[u8], area: layout::Area| {
        ram.memory()
            .write_slice(bytes, GuestAddress(area.start))
            .expect("every machine has memory below 1 MiB");
    };
    put(&reset_vector::CODE, layout::RESET_VECTOR);
    // Beside ACPI tables for `acpi=noirq` and the like; a kernel that takes everything from those ignores it.
    match mptable::build(&config.cpus, config.transport) {
        Ok(table) => put(&table, layout::MP_TABLE),
        Err(error) if !config.boot.acpi => return Err(error.into()),
        Err(_) => {}
    }
    if !config.boot.acpi {
        return Ok(None);
    }
    let bus = match config.transport {
        Transport::Pci => acpi::VirtioBus::Pci,
        Transport::Mmio => acpi::VirtioBus::Mmio {
            devices: u32::try_from(devices).expect("bounded above"),
        },
    };
    let areas = layout::ram(config.memory.bytes);
    let platform = acpi::Platform {
        cpus: &config.cpus,
        ram: &areas,
        bus,
    };
    put(&acpi::build(&platform)?, layout::ACPI);
    Ok(Some(acpi::RSDP))
}

/// The command line with what says where the devices are, for a kernel that has no tables to read it from.
fn command_line(config: &VmConfig, devices: usize) -> String {
    let given = &config.boot.command_line;
    if config.boot.acpi || config.transport != Transport::Mmio {
        return given.clone();
    }
    let mut text = String::new();
    for (base, gsi) in mmio_places().take(devices) {
        let size = layout::VIRTIO_MMIO_STRIDE / 1024;
        text.push_str(&format!("virtio_mmio.device={size}K@{base:#x}:{gsi} "));
    }
    text + given
}

fn set_boot_msrs(vcpu: &VcpuFd) -> Result<(), KvmError> {
    let msrs = x86::msrs::boot_msrs();
    let set = vcpu
        .set_msrs(&msrs)
        .map_err(call("set a vCPU's model-specific registers"))?;
    match msrs.as_slice().get(set) {
        None => Ok(()),
        Some(refused) => Err(KvmError::Msr(refused.index)),
    }
}

/// A breakpoint in debug register 0, which the guest does not see (Intel SDM volume 3, 18.2).
fn set_breakpoint(vcpu: &VcpuFd, address: u64) -> Result<(), kvm_ioctls::Error> {
    const GLOBAL_0: u64 = 1 << 1;
    const ALWAYS_SET: u64 = 1 << 10;
    let mut debug = kvm_guest_debug {
        control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
        ..kvm_guest_debug::default()
    };
    debug.arch.debugreg[0] = address;
    debug.arch.debugreg[7] = GLOBAL_0 | ALWAYS_SET;
    vcpu.set_guest_debug(&debug)
}

fn end_signal(signals: &Signals) -> EndSignal {
    let end = signals.end.clone();
    Arc::new(move |ending| {
        end.set(match ending {
            Ending::PowerOff => StopReason::PowerOff,
            Ending::Reset => StopReason::Reset,
        });
    })
}

fn vcpu_signals(signals: &Signals) -> (OnBreakpoint, OnEnd) {
    let events = signals.events.clone();
    let on_breakpoint: OnBreakpoint = Arc::new(move || events.mark(Mark::StartKernel));
    let end = signals.end.clone();
    let on_end: OnEnd = Arc::new(move |id, why| {
        end.set(match why {
            VcpuEnd::TripleFault => StopReason::TripleFault,
            VcpuEnd::PowerOff => StopReason::PowerOff,
            VcpuEnd::Reset => StopReason::Reset,
            VcpuEnd::Failed(words) => StopReason::InternalError(format!("vCPU {id}: {words}")),
            VcpuEnd::Kicked | VcpuEnd::Breakpoint => return,
        });
    });
    (on_breakpoint, on_end)
}
