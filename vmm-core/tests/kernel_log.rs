//! The kernel log out of a real kernel's memory, compared with what that kernel printed.
//!
//! Boots `RUNNER_TEST_KERNEL` in QEMU's software emulation without an init, so that it panics, and takes its memory
//! twice: early, when the kernel has not told anything about itself yet, and after the panic.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};
use vmm_core::{
    debug::{Found, KERNEL_TEXT, Paging, PhysicalMemory, backtrace, kernel_log, translate},
    layout::Area,
};

/// Memory of the machine.
const MEMORY: usize = 192 << 20;

/// How long a kernel may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A machine's memory and the registers of its CPU.
struct Dump {
    memory: Vec<u8>,
    registers: String,
}

impl PhysicalMemory for Dump {
    fn read(&self, address: u64, data: &mut [u8]) -> bool {
        let bytes = usize::try_from(address)
            .ok()
            .and_then(|at| self.memory.get(at..)?.get(..data.len()));
        bytes.map(|bytes| data.copy_from_slice(bytes)).is_some()
    }

    fn areas(&self) -> Vec<Area> {
        vec![Area {
            start: 0,
            len: self.memory.len() as u64,
        }]
    }
}

impl Dump {
    /// A register as the monitor shows it: `RIP=ffffffff81000000`.
    fn register(&self, name: &str) -> u64 {
        let at = self.registers.find(&format!("{name}=")).unwrap() + name.len() + 1;
        let digits = self.registers[at..].split_whitespace().next().unwrap();
        u64::from_str_radix(digits, 16).unwrap()
    }

    fn paging(&self) -> Paging {
        Paging {
            cr0: self.register("CR0"),
            cr3: self.register("CR3"),
            cr4: self.register("CR4"),
            efer: self.register("EFER"),
        }
    }

    /// Forgets what the kernel told about itself; whether it had.
    fn silence(&mut self) -> bool {
        let mut told = false;
        for page in self.memory.chunks_mut(4096) {
            if page.starts_with(b"OSRELEASE=") {
                page.fill(0);
                told = true;
            }
        }
        told
    }
}

/// A kernel in QEMU.
struct Machine {
    qemu: Child,
    monitor: BufReader<UnixStream>,
    dir: tempfile::TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Machine {
    fn boot(kernel: &Path, command_line: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let started = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-nodefaults", "-display", "none"])
            .args(["-no-reboot", "-m", &format!("{}M", MEMORY >> 20)])
            .arg("-kernel")
            .arg(kernel)
            .args(["-append", command_line])
            .args(["-serial", &format!("file:{}", path("serial"))])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", path("qmp"))])
            .spawn();
        let Ok(mut qemu) = started else {
            println!("SKIP: qemu-system-x86_64 is not installed");
            return None;
        };
        let stream = wait(|| {
            assert!(qemu.try_wait().unwrap().is_none(), "QEMU ended");
            UnixStream::connect(dir.path().join("qmp")).ok()
        });
        let mut machine = Self {
            qemu,
            monitor: BufReader::new(stream),
            dir,
        };
        machine.answer("QMP");
        machine.command("qmp_capabilities", &json!({}));
        Some(machine)
    }

    fn answer(&mut self, key: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.monitor.read_line(&mut line).unwrap(), 0, "QEMU ended");
            let mut value: Value = serde_json::from_str(&line).unwrap();
            assert!(value.get("error").is_none(), "{line}");
            if let Some(answer) = value.get_mut(key) {
                return answer.take();
            }
        }
    }

    fn command(&mut self, name: &str, arguments: &Value) -> Value {
        let command = json!({"execute": name, "arguments": arguments});
        writeln!(self.monitor.get_mut(), "{command}").unwrap();
        self.answer("return")
    }

    fn printed(&self) -> String {
        let serial = fs::read(self.dir.path().join("serial")).unwrap_or_default();
        String::from_utf8_lossy(&serial).into_owned()
    }

    /// Stops the machine once it has printed `text`, and takes its memory.
    fn dump_after(&mut self, text: &str) -> Dump {
        wait(|| self.printed().contains(text).then_some(()));
        self.command("stop", &json!({}));
        let path = self.dir.path().join("memory");
        let arguments = json!({"val": 0, "size": MEMORY, "filename": path});
        self.command("pmemsave", &arguments);
        let question = json!({"command-line": "info registers"});
        let registers = self.command("human-monitor-command", &question);
        let dump = Dump {
            memory: fs::read(&path).unwrap(),
            registers: registers.as_str().unwrap().to_owned(),
        };
        assert_eq!(dump.memory.len(), MEMORY);
        dump
    }
}

fn wait<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        sleep(Duration::from_millis(10));
    }
}

/// The lines of `log` as a console shows them.
fn shown(log: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    for record in &log.log.records {
        let micros = record.nanos / 1000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        for line in record.text.split('\n') {
            lines.push(
                format!("[{seconds:5}.{micros:06}] {line}")
                    .trim_end()
                    .into(),
            );
        }
    }
    lines
}

/// Compares a log with what was printed, as far as both go.
#[track_caller]
fn compare(log: &Found, printed: &str, at_least: usize) {
    let lines = shown(log);
    // The machine may have been stopped within a line.
    let (whole_lines, _) = printed.rsplit_once('\n').unwrap();
    let printed: Vec<_> = whole_lines
        .lines()
        .map(|line| line.trim_end())
        .filter(|line| line.starts_with('['))
        .collect();
    assert!(lines[0].contains("Linux version "), "{}", lines[0]);
    let both = lines.len().min(printed.len());
    assert!(both >= at_least, "{} and {}", lines.len(), printed.len());
    for (line, printed) in lines.iter().zip(&printed) {
        assert_eq!(line, printed);
    }
    let sequences = log.log.records.iter().map(|record| record.sequence);
    assert!(sequences.eq(0..log.log.records.len() as u64));
}

fn test_kernel() -> Option<PathBuf> {
    let kernel = env::var_os("RUNNER_TEST_KERNEL").map(PathBuf::from);
    if kernel.is_none() {
        println!("SKIP: RUNNER_TEST_KERNEL names no kernel");
    }
    kernel
}

#[test]
fn the_log_in_memory_is_what_was_printed() {
    let Some(kernel) = test_kernel() else { return };
    let command_line = "earlyprintk=serial,keep ignore_loglevel panic=0";
    let Some(mut machine) = Machine::boot(&kernel, command_line) else {
        return;
    };

    // Early, long before vmcoreinfo; where the machine was slow to stop, it is not used. The registers are of use, and
    // are not needed.
    let mut early = machine.dump_after("] Memory: ");
    early.silence();
    let paging = early.paging();
    for paging in [None, Some(paging)] {
        let found = kernel_log(&early, paging).expect("an early log");
        compare(&found, &machine.printed(), 10);
    }

    machine.command("cont", &json!({}));
    let mut dump = machine.dump_after("---[ end Kernel panic");
    let printed = machine.printed();
    let paging = dump.paging();
    let told = kernel_log(&dump, None).expect("a log");
    compare(&told, &printed, 200);
    assert_eq!(kernel_log(&dump, Some(paging)).as_ref(), Ok(&told));
    let last = told.log.records.last().expect("records");
    assert_eq!((last.level, last.facility), (0, 0));

    // Where it is: its text begins where the tables say that it does.
    let place = told.place.clone().expect("vmcoreinfo tells");
    let text = 0xFFFF_FFFF_8100_0000 + place.virtual_offset;
    assert!(translate(&dump, &paging, text).is_some());
    let trace = backtrace(
        &dump,
        &paging,
        dump.register("RIP"),
        dump.register("RSP"),
        &KERNEL_TEXT,
    );
    assert!(trace.len() > 3, "{trace:x?}");

    // The same without vmcoreinfo.
    assert!(dump.silence(), "a kernel with vmcoreinfo");
    let found = kernel_log(&dump, Some(paging));
    assert_eq!(found.as_ref(), Ok(&told));
    let found = kernel_log(&dump, None).expect("a log");
    assert_eq!((found.log, found.place), (told.log, None));
}
