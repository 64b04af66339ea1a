//! Whole machines around kernels of a few instructions, which run wherever `/dev/kvm` opens.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    os::unix::net::UnixStream,
};
use vmm_core::{
    Descriptors,
    config::{BootConfig, CpuConfig, MemoryConfig, Transport, VmConfig},
    control::{Event, StopReason, Stopped},
};

/// Where the kernels are loaded and entered.
const ADDRESS: u64 = 0x100_0000;

/// An x86-64 ELF kernel of one segment.
fn elf(code: &[u8]) -> File {
    const HEADERS: u64 = 64 + 56;
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for field in [ADDRESS, 64, 0] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    let len = code.len() as u64;
    for field in [HEADERS, ADDRESS, ADDRESS, len, len, 0x1000] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(code);
    let mut file = tempfile::tempfile().expect("a temporary directory");
    file.write_all(&bytes).expect("room");
    file
}

/// What a machine around this code printed on the serial port, and how it stopped; `None` without KVM.
fn run(code: &[u8]) -> Option<(Vec<u8>, Stopped)> {
    if File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        println!("SKIP: no usable /dev/kvm");
        return None;
    }
    let config = VmConfig {
        cpus: CpuConfig::flat(1),
        memory: MemoryConfig {
            bytes: 64 << 20,
            huge_pages: false,
            file: false,
        },
        boot: BootConfig {
            command_line: String::new(),
            acpi: true,
            start_kernel: None,
        },
        transport: Transport::Pci,
        ports: vec![],
        shares: vec![],
    };
    let (mut console, their_console) = UnixStream::pair().expect("sockets");
    let (mut control, their_control) = UnixStream::pair().expect("sockets");
    let descriptors = Descriptors {
        kernel: elf(code).into(),
        initramfs: None,
        console: their_console,
        control: their_control,
        ports: vec![],
    };
    vmm_core::run(&config, descriptors).expect("a machine");
    let (mut printed, mut said) = (Vec::new(), String::new());
    console.read_to_end(&mut printed).expect("the console");
    control.read_to_string(&mut said).expect("events");
    let events = said.lines().map(serde_json::from_str);
    let mut stopped = events.filter_map(|event| match event.expect("an event") {
        Event::Stopped(stopped) => Some(stopped),
        _ => None,
    });
    let stopped = stopped.next_back().expect("why it stopped");
    Some((printed, *stopped))
}

#[test]
fn characters_on_the_serial_port_come_together_and_none_is_late() {
    let code = [
        0xb9, 16, 0, 0, 0, // mov ecx, 16
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xb0, b'a', // mov al, 'a'
        0xee, // out dx, al
        0xfe, 0xc0, // inc al
        0xe2, 0xfb, // loop, to the out
        0x66, 0xba, 0xfd, 0x03, // mov dx, 0x3fd
        0xec, // in al, dx
        0xb0, b'!', // mov al, '!'
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xee, // out dx, al
        0x66, 0xba, 0x00, 0x06, // mov dx, 0x600
        0xb0, 0x34, // mov al, SLP_EN and S5
        0xee, // out dx, al
        0xf4, 0xeb, 0xfd, // hlt, and again
    ];
    let Some((printed, stopped)) = run(&code) else {
        return;
    };
    assert_eq!(String::from_utf8_lossy(&printed), "abcdefghijklmnop!");
    assert_eq!(stopped.reason, StopReason::PowerOff);
    // The status register is read once; of the seventeen characters none takes an exit of its own.
    let exits: BTreeMap<String, u64> = stopped.statistics.exits.into_iter().collect();
    assert_eq!(exits.get("io_in:0x3fd"), Some(&1), "{exits:?}");
    assert_eq!(exits.get("io_out:0x3f8"), None, "{exits:?}");
    // The kernel, tables and page tables: not nothing, and far from all of it.
    let resident = stopped.statistics.guest_resident_kib;
    assert!((8..32 << 10).contains(&resident), "{resident}");
}
