//! Machines that are scripts, for tests of what drives them.

use super::Settings;
use crate::machine::{
    Accelerator, Boots, Control, Engine, HostPorts, Inspection, LaunchError, Launched, Machine,
    MachineSpec, Sight, Statistics, StopReason, Topology, Transport, VmlinuxEntry,
};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use wire::{Decoder, ExitStatus, GuestMessage, HostMessage, RunTest, TestEnded};

/// What a machine's process has to say.
pub enum News {
    Sight(Sight),
    Gone(StopReason),
}

/// A machine's process, as its script sees it.
pub struct Process {
    news: mpsc::Sender<News>,
    wake: UnixStream,
}

impl Process {
    pub fn say(&mut self, news: News) {
        // The session may have given the machine up.
        let _ = self.news.send(news);
        let _ = self.wake.write_all(b"!");
    }
}

/// The inside of a machine, as its script sees it.
pub struct Guest {
    pub link: UnixStream,
    pub klog: UnixStream,
    pub console: UnixStream,
    pub process: Process,
    decoder: Decoder,
}

impl Guest {
    pub fn send(&mut self, message: &GuestMessage) {
        let frame = wire::encode(message).expect("short");
        self.link.write_all(&frame).expect("room");
    }

    /// Boots, and waits for a test.
    pub fn boot(&mut self) {
        self.ready();
        self.next_test().expect("a test comes");
    }

    /// Boots.
    pub fn ready(&mut self) {
        self.send(&GuestMessage::Hello {
            version: wire::VERSION,
            release: "6.0".into(),
        });
        self.send(&GuestMessage::Ready(wire::Ready {
            cpus: 1,
            memory_kib: 1,
            root: wire::RootKind::Overlay,
            uptime_us: 1,
            taint: 0,
            kvm: false,
        }));
    }

    /// Waits for a test, and marks its start in the kernel log. `None` once the session is gone.
    pub fn next_test(&mut self) -> Option<RunTest> {
        let mut buffer = [0; 4096];
        loop {
            while let Some(message) = self.decoder.next_message().expect("the protocol") {
                if let HostMessage::Run(run) = message {
                    let marker = wire::start_marker(run.test, &run.label);
                    let record = format!("14,1,1000000,-;{marker}\n");
                    self.klog.write_all(record.as_bytes()).ok()?;
                    return Some(run);
                }
            }
            match self.link.read(&mut buffer) {
                Ok(n) if n > 0 => self.decoder.push(&buffer[..n]),
                _ => return None,
            }
        }
    }

    /// Ends a test with an exit status.
    pub fn exit(&mut self, test: u32, status: i32) {
        self.send(&GuestMessage::Ended(TestEnded {
            test,
            status: ExitStatus::Exited(status),
            timed_out: false,
            duration_us: 1000,
            dropped: [0, 0],
            artifacts_dropped: 0,
            unkillable: vec![],
            unfit: None,
            taint: 0,
            klog_seq: Some(1),
        }));
    }

    pub fn gone(mut self, reason: StopReason) {
        self.process.say(News::Gone(reason));
    }
}

pub type Script = Box<dyn FnOnce(Guest) + Send>;

/// An engine whose machines follow scripts, and answer looks into them with those given.
pub struct Scripted {
    pub scripts: Mutex<Box<dyn FnMut() -> Script + Send>>,
    pub looks: Vec<Inspection>,
    pub asked: Arc<Mutex<Vec<Control>>>,
}

impl Scripted {
    /// Machines that all follow `script`; it is told their numbers, from 1.
    pub fn all(script: impl Fn(u32, Guest) + Send + Sync + 'static) -> Self {
        let script = Arc::new(script);
        let mut number = 0;
        let scripts = move || {
            number += 1;
            let (script, number) = (script.clone(), number);
            Box::new(move |guest| script(number, guest)) as Script
        };
        Self {
            scripts: Mutex::new(Box::new(scripts)),
            looks: vec![],
            asked: Arc::default(),
        }
    }
}

impl Engine for Scripted {
    fn name(&self) -> &'static str {
        "script"
    }

    fn accelerator(&self) -> Accelerator {
        Accelerator::Kvm
    }

    fn reason(&self) -> &str {
        "a test"
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

    fn launch(&self, _: &MachineSpec) -> Result<Launched, LaunchError> {
        let pair = || {
            let (ours, theirs) = UnixStream::pair().expect("a socket pair");
            ours.set_nonblocking(true).expect("non-blocking");
            (ours, theirs)
        };
        let (link, their_link) = pair();
        let (klog, their_klog) = pair();
        let (console, their_console) = pair();
        let (wake, waker) = pair();
        let (sender, news) = mpsc::channel();
        let guest = Guest {
            link: their_link,
            klog: their_klog,
            console: their_console,
            process: Process {
                news: sender,
                wake: waker.try_clone().expect("cloned"),
            },
            decoder: Decoder::new(),
        };
        let script = (self.scripts.lock().expect("whole"))();
        std::thread::spawn(move || script(guest));
        Ok(Launched {
            machine: Box::new(Fake {
                wake,
                waker,
                news,
                looks: self.looks.clone().into(),
                sights: Vec::new(),
                asked: self.asked.clone(),
                gone: None,
            }),
            ports: HostPorts {
                link,
                klog,
                console,
            },
        })
    }
}

pub struct Fake {
    wake: UnixStream,
    waker: UnixStream,
    news: mpsc::Receiver<News>,
    looks: VecDeque<Inspection>,
    sights: Vec<Sight>,
    asked: Arc<Mutex<Vec<Control>>>,
    gone: Option<StopReason>,
}

impl Machine for Fake {
    fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.wake.as_fd()]
    }

    fn process(&mut self) -> io::Result<Option<StopReason>> {
        while matches!(self.wake.read(&mut [0; 64]), Ok(n) if n > 0) {}
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Sight(sight) => self.sights.push(sight),
                News::Gone(reason) => self.gone = Some(reason),
            }
        }
        Ok(self.gone.clone())
    }

    fn sights(&mut self) -> Vec<Sight> {
        std::mem::take(&mut self.sights)
    }

    fn can_inspect(&self) -> bool {
        !self.looks.is_empty()
    }

    fn control(&mut self, control: Control) {
        self.asked.lock().expect("whole").push(control);
        if control == Control::Inspect {
            // The last look is what there is from then on.
            let look = self.looks[0].clone();
            if self.looks.len() > 1 {
                self.looks.pop_front();
            }
            self.sights.push(Sight::Inspected(Box::new(look)));
            self.waker.write_all(b"!").expect("room");
        }
        if control == Control::Quit {
            self.sights.push(Sight::Counted(Box::new(Statistics {
                exits_total: 7,
                ..Statistics::default()
            })));
            self.gone = Some(StopReason::EngineDied("it was told to end".into()));
            self.waker.write_all(b"!").expect("room");
        }
    }

    fn kill(&mut self) {}
}

/// What is the same for all scripted machines of a run. Time is a fiftieth of what it is with real ones.
pub fn settings(run_dir: &Path, cancel: UnixStream) -> Settings {
    let null = || Arc::new(File::open("/dev/null").expect("exists").into());
    Settings {
        boot_options: Vec::new(),
        spec: MachineSpec {
            kernel: null(),
            initramfs: null(),
            append: vec![],
            cpus: Topology::flat(1),
            memory_mib: 64,
            transport: Transport::Pci,
            acpi: true,
            shares: vec![],
            nested: false,
            start_kernel: None,
        },
        setup: wire::Setup {
            hostname: "x".into(),
            packed: false,
            mount_options: String::new(),
            shares: vec![],
            hold_kvm: false,
        },
        env: vec![],
        cwd: "/".into(),
        known_files: vec![],
        scale: 0.02,
        boot_timeout: Duration::from_secs(1),
        timeout: None,
        output_limit: 1 << 20,
        output_kept: 1 << 20,
        passed_on: None,
        artifacts: wire::ArtifactLimits { files: 1, bytes: 1 },
        measured: true,
        run_dir: run_dir.into(),
        allowed_splats: vec![],
        debug_info: None,
        symbols: None,
        cancel,
    }
}
