//! Boots a kernel on the monitor and shows what it reports: `boot KERNEL [INITRAMFS] [-- OPTION...]`.
//!
//! `VCPUS`, `MIB`, `HUGE=0`, `TRANSPORT=mmio`, `ACPI=0` and `SHARE=TAG:DIRECTORY` (`root:/`) in the environment change the
//! machine.

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufRead, BufReader, Read, Write, stdout},
    os::unix::net::UnixStream,
    thread,
};
use vmm_core::{
    Descriptors,
    config::{BootConfig, CpuConfig, MemoryConfig, Share, Transport, VmConfig},
    control::Event,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<String> = env::args().skip(1).collect();
    let options = match words.iter().position(|word| word == "--") {
        Some(at) => words.split_off(at)[1..].join(" "),
        None => "console=ttyS0 panic=-1".into(),
    };
    let number = |name: &str, default: u64| -> Result<u64, Box<dyn Error>> {
        Ok(env::var(name).map_or(Ok(default), |text| text.parse())?)
    };
    let mut files = words.iter();
    let kernel = files
        .next()
        .ok_or("usage: boot KERNEL [INITRAMFS] [-- OPTION...]")?;
    let initramfs = files.next();
    let share = env::var("SHARE").unwrap_or_else(|_| "root:/".into());
    let (tag, path) = share.split_once(':').ok_or("SHARE is TAG:DIRECTORY")?;
    let config = VmConfig {
        cpus: CpuConfig::flat(u32::try_from(number("VCPUS", 1)?)?),
        memory: MemoryConfig {
            bytes: number("MIB", 256)? << 20,
            huge_pages: number("HUGE", 1)? != 0,
            file: false,
        },
        boot: BootConfig {
            command_line: options,
            acpi: number("ACPI", 1)? != 0,
            start_kernel: None,
        },
        transport: match env::var("TRANSPORT").as_deref() {
            Ok("mmio") => Transport::Mmio,
            _ => Transport::Pci,
        },
        ports: vec![],
        shares: vec![Share {
            tag: tag.into(),
            path: path.into(),
        }],
    };
    let (mut console, their_console) = UnixStream::pair()?;
    let (control, their_control) = UnixStream::pair()?;
    let descriptors = Descriptors {
        kernel: File::open(kernel)?.into(),
        initramfs: initramfs.map(File::open).transpose()?.map(Into::into),
        console: their_console,
        control: their_control,
        ports: vec![],
    };
    let shown = thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = console.read(&mut bytes) {
            let _ = stdout().write_all(&bytes[..n]);
            let _ = stdout().flush();
        }
    });
    let reported = thread::spawn(move || {
        for line in BufReader::new(control).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Event::Stopped(stopped)) => {
                    eprintln!(
                        "{:?}: {} exits",
                        stopped.reason, stopped.statistics.exits_total
                    );
                    for (cause, count) in &stopped.statistics.exits {
                        eprintln!("{count:8} {cause}");
                    }
                    for queue in &stopped.statistics.queues {
                        eprintln!("{queue:?}");
                    }
                    if let Some(inspection) = stopped.inspection {
                        for vcpu in &inspection.vcpus {
                            eprintln!("{vcpu:x?}");
                        }
                        match inspection.log {
                            Ok(log) => {
                                eprintln!("{} records of the kernel log", log.records.len());
                                for record in log.records.iter().rev().take(12).rev() {
                                    eprintln!("  {}", record.text);
                                }
                            }
                            Err(why) => eprintln!("no kernel log: {why}"),
                        }
                    }
                }
                Ok(event) => eprintln!("{event:?}"),
                Err(error) => eprintln!("{error}: {line}"),
            }
        }
    });
    let result = vmm_core::run(&config, descriptors);
    let _ = shown.join();
    let _ = reported.join();
    Ok(result?)
}
