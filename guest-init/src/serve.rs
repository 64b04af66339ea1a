//! The event loop: one thread that waits for the host, the kernel log, children, output and the clock.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::{GuestMessage, HostMessage, Ready, RootKind, RunTest, Setup, mark};

use crate::facts;
use crate::failure::{Failure, Result, Trying};
use crate::fitness::Fitness;
use crate::kmsg::{Marker, Pump};
use crate::kvm;
use crate::link::{Link, Received};
use crate::mounts;
use crate::reap::{Children, reap};
use crate::root;
use crate::settings;
use crate::static_nodes;
use crate::sys;
use crate::test::{Test, not_started, send_artifacts};
use crate::timeline;

/// The kernel log up to a test's end is waited for so long before the end is reported without it.
const LOG_AT_MOST: Duration = Duration::from_secs(5);

/// Init at work.
pub struct Server {
    link: Link,
    /// `None` when there is no kernel log or nobody to read it.
    pump: Option<Pump>,
    marker: Option<Marker>,
    children: Children,
    root: Option<RootKind>,
    fitness: Option<Fitness>,
    running: Option<(RunTest, Test)>,
}

/// What is ready to be looked at.
#[derive(Default)]
struct Events {
    link: bool,
    log: bool,
    children: bool,
    outputs: [bool; 2],
}

impl Server {
    pub fn new(link: Link, pump: Option<Pump>) -> Result<Self> {
        Ok(Self {
            link,
            pump,
            marker: Marker::open().ok(),
            children: Children::watch().trying(|| "watch for children".into())?,
            root: None,
            fitness: None,
            running: None,
        })
    }

    /// Serves the host until it goes away. An error is the end of init's usefulness; it has been tried
    /// to tell the host.
    pub fn serve(mut self) -> Result<()> {
        let served = self.run();
        if let Err(failure) = &served {
            // A broken link cannot carry the news of its own breaking.
            let _ = self.link.send(&GuestMessage::Fatal(failure.to_string()));
        }
        served
    }

    fn run(&mut self) -> Result<()> {
        loop {
            let events = self.wait()?;
            if events.log {
                self.pump_log()?;
            }
            if events.link && self.hear()? {
                return Ok(());
            }
            if events.children {
                self.children.acknowledge();
            }
            self.go_on(&events)?;
        }
    }

    /// Waits for something to do.
    fn wait(&self) -> Result<Events> {
        let test = self.running.as_ref().map(|(_, test)| test);
        let timeout = test.and_then(Test::wake_at).map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timespec::try_from(left).expect("a duration since boot fits")
        });
        let mut fds = vec![
            PollFd::new(&self.link, PollFlags::IN),
            PollFd::new(&self.children, PollFlags::IN),
        ];
        let log = self.pump.as_ref().map(Pump::interest);
        let has_log = log.is_some();
        fds.extend(log);
        let mut outputs = [None; 2];
        for (index, output) in test.iter().flat_map(|t| &t.outputs).enumerate() {
            if let Some(fd) = output.interest() {
                outputs[index] = Some(fds.len());
                fds.push(fd);
            }
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Events::default()),
            Err(e) => return Err(e).trying(|| "wait for events".into()),
        }
        let ready = |index: usize| !fds[index].revents().is_empty();
        Ok(Events {
            link: ready(0),
            children: ready(1),
            log: has_log && ready(2),
            outputs: outputs.map(|index| index.is_some_and(ready)),
        })
    }

    fn pump_log(&mut self) -> Result<()> {
        let Some(pump) = &mut self.pump else {
            return Ok(());
        };
        if let Err(e) = pump.pass_on() {
            self.pump = None;
            self.link
                .warn(format!("the kernel log is lost from here on: {e}"))?;
        }
        Ok(())
    }

    /// Does what the host says. `true` when it has gone.
    fn hear(&mut self) -> Result<bool> {
        let messages = match self.link.receive()? {
            Received::Closed => return Ok(true),
            Received::Messages(messages) => messages,
        };
        for message in messages {
            match message {
                HostMessage::Setup(setup) => self.set_up(&setup)?,
                HostMessage::Run(run) => self.start(run)?,
                HostMessage::Ping(number) => self.link.send(&GuestMessage::Pong(number))?,
            }
        }
        Ok(false)
    }

    fn set_up(&mut self, setup: &Setup) -> Result<()> {
        if self.root.is_some() {
            return Err(Failure::new("the host asked for the set-up twice"));
        }
        let mut warnings = Vec::new();
        let root = root::enter(setup, &mut warnings)?;
        timeline::mark(mark::ROOT_MOUNTED);
        self.root = Some(root);
        static_nodes::make(&facts::release());
        warnings.extend(settings::apply(&setup.hostname));
        if setup.hold_kvm
            && let Err(e) = kvm::hold()
        {
            warnings.push(format!("KVM cannot be held in use: {e}"));
        }
        for warning in warnings {
            self.link.warn(warning)?;
        }
        self.fitness = Some(Fitness::now());
        // From here on there are tests to compete with. Some kernels do not let init do so.
        let _ = sys::run_before_others();
        timeline::mark(mark::READY);
        self.link.send(&GuestMessage::Ready(Ready {
            cpus: facts::cpus_online(),
            memory_kib: facts::memory_kib(),
            root,
            uptime_us: facts::uptime_us(),
            taint: facts::taint(),
            kvm: facts::has_kvm(),
        }))
    }

    fn start(&mut self, run: RunTest) -> Result<()> {
        if self.root.is_none() {
            return Err(Failure::new("the host asked for a test before the set-up"));
        }
        if let Some((_, test)) = &self.running {
            return Err(Failure::new(format!(
                "the host asked for test {} while test {} was running",
                run.test, test.number
            )));
        }
        self.mark(&wire::start_marker(run.test, &run.label));
        match Test::start(&run) {
            Ok(test) => {
                self.link.send(&GuestMessage::Started { test: run.test })?;
                self.running = Some((run, test));
                Ok(())
            }
            Err(why) => self.end(&run, not_started(&run, why.to_string())),
        }
    }

    /// Moves the running test on: output, ended processes, the clock.
    fn go_on(&mut self, events: &Events) -> Result<()> {
        let reaped = reap();
        let Some((run, mut test)) = self.running.take() else {
            return Ok(());
        };
        for (output, ready) in test.outputs.iter_mut().zip(events.outputs) {
            if ready {
                output.pass_on(&mut self.link)?;
            }
        }
        test.note(&reaped);
        test.advance(Instant::now());
        if test.is_over() {
            let mut ended = test.finish(&mut self.link)?;
            ended.artifacts_dropped = send_artifacts(&run, &mut self.link)?;
            return self.end(&run, ended);
        }
        self.running = Some((run, test));
        Ok(())
    }

    /// Reports the end of a test, after everything there is to say about it.
    fn end(&mut self, run: &RunTest, mut ended: wire::TestEnded) -> Result<()> {
        self.repair()?;
        ended.unfit = self.fitness.as_ref().and_then(Fitness::lost);
        ended.taint = facts::taint();
        ended.klog_seq = self.mark(&wire::end_marker(run.test, &run.label));
        if let (Some(pump), Some(sequence)) = (&mut self.pump, ended.klog_seq) {
            match pump.pass_on_until(sequence, LOG_AT_MOST) {
                Ok(true) => {}
                Ok(false) => ended.klog_seq = None,
                Err(e) => {
                    self.pump = None;
                    ended.klog_seq = None;
                    self.link
                        .warn(format!("the kernel log is lost from here on: {e}"))?;
                }
            }
        } else {
            ended.klog_seq = None;
        }
        self.link.send(&GuestMessage::Ended(ended))
    }

    fn mark(&mut self, line: &str) -> Option<u64> {
        self.marker.as_mut()?.write(line)
    }

    /// A test's mounts go with its mount table, but it may enter init's own, and what it does to the
    /// root's file system stays.
    fn repair(&mut self) -> Result<()> {
        let mut warnings = mounts::mount_again();
        if self.root == Some(RootKind::Overlay) && root::is_read_only() {
            warnings.push(match root::make_writable() {
                Ok(()) => "the test made the root read-only; it is writable again".into(),
                Err(e) => format!("the test made the root read-only, and it stays so: {e}"),
            });
        }
        for warning in warnings {
            self.link.warn(warning)?;
        }
        Ok(())
    }
}
