//! Taking in what a machine says.

use super::{
    link::LinkError,
    measure::now_nanos,
    outcome::millis,
    state::{Problem, Running, Session, SessionError, State, WRITE_LOG, WRITE_OUTPUT, io_error},
};
use reports::Event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};
use wire::{GuestMessage, Stream};

/// How long a finished test waits for the kernel log to catch up, unscaled.
const LOG_LAG: Duration = Duration::from_secs(2);

impl Session<'_> {
    /// Waits until something is to be read or `wake` has come; returns whether the run is to be given up.
    pub fn wait(&self, wake: Option<Instant>) -> Result<bool, SessionError> {
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.settings.cancel.as_fd()];
        fds.extend(self.machine.poll_fds());
        fds.extend(self.klog_port.as_ref().map(AsFd::as_fd));
        fds.extend(self.console_port.as_ref().map(AsFd::as_fd));
        let mut polled: Vec<PollFd<'_>> = fds
            .iter()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        if let Some(fd) = self.link.fd() {
            let out = if self.link.wants_to_write() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            polled.push(PollFd::from_borrowed_fd(fd, PollFlags::IN | out));
        }
        self.reports.tick();
        let until_wake = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
        let timeout = [until_wake, self.reports.tick_every()]
            .into_iter()
            .flatten()
            .min();
        let timeout =
            timeout.map(|t| Timespec::try_from(t).expect("time limits are below 2^63 seconds"));
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!polled[0].revents().is_empty()),
            Err(error) => Err(io_error("wait for a machine")(error.into())),
        }
    }

    /// Takes what the ports have: a piece of each, or all of it once the machine is gone.
    pub fn read_ports(
        &mut self,
        state: &mut State<'_>,
        to_the_end: bool,
    ) -> Result<Result<(), LinkError>, SessionError> {
        loop {
            let mut more = false;
            more |= read_piece(&mut self.console_port, |bytes| self.console.push(bytes))
                .map_err(io_error("write the console log"))?;
            let slice = match state {
                State::Running(running) | State::Draining { running, .. } => {
                    Some(&mut running.files.kernel_log)
                }
                _ => None,
            };
            let klog = &mut self.klog;
            more |= read_piece(&mut self.klog_port, |bytes| klog.push(bytes, slice))
                .map_err(io_error(WRITE_LOG))?;
            match self.link.receive() {
                Ok(received) => more |= received,
                Err(error) => return Ok(Err(error)),
            }
            if !(to_the_end && more) {
                return Ok(Ok(()));
            }
            // Messages are taken out between pieces so that a long farewell does not pile up.
            match self.messages(state) {
                Ok(_) => {}
                Err(Problem::Link(error)) => return Ok(Err(error)),
                Err(Problem::Session(error)) => return Err(error),
            }
        }
    }

    /// Handles the messages that have come whole. Returns init's words if it gave up.
    pub fn messages(&mut self, state: &mut State<'_>) -> Result<Option<String>, Problem> {
        while let Some(message) = self.link.next()? {
            let now = Instant::now();
            if let State::Running(running) = state {
                running.watchdog.sign_of_life(now);
            }
            match message {
                GuestMessage::Hello { version, release } => {
                    if version != wire::VERSION {
                        return Ok(Some(format!(
                            "the init in the guest speaks version {version} of the protocol, not {}",
                            wire::VERSION
                        )));
                    }
                    self.release = printable(&release, 128);
                }
                GuestMessage::Ready(ready) if matches!(state, State::Booting { .. }) => {
                    self.ready(&ready)?;
                    *state = State::Ready;
                }
                GuestMessage::Warning(text) => {
                    let text = printable(&text, 1000);
                    self.reports.emit(Event::Warning { text })?;
                }
                GuestMessage::Fatal(text) => return Ok(Some(printable(&text, 1000))),
                GuestMessage::Pong(_) | GuestMessage::Started { .. } => {}
                GuestMessage::Output { test, stream, data } => {
                    let State::Running(running) = state else {
                        continue;
                    };
                    if running.number == test {
                        self.output(running, stream, &data)?;
                    }
                }
                GuestMessage::Artifact {
                    test,
                    path,
                    data,
                    last,
                } => {
                    let State::Running(running) = state else {
                        continue;
                    };
                    if running.number == test {
                        running
                            .files
                            .artifact(&path, &data, last)
                            .map_err(io_error("write an artifact"))?;
                    }
                }
                GuestMessage::Ended(ended) => {
                    if !matches!(&*state, State::Running(running) if running.number == ended.test) {
                        continue;
                    }
                    let deadline = now + self.settings.scaled(LOG_LAG);
                    *state = match std::mem::replace(state, State::Ready) {
                        State::Running(running) => State::Draining {
                            running,
                            ended,
                            deadline,
                        },
                        other => other,
                    };
                }
                GuestMessage::Ready(_) => {}
            }
        }
        Ok(None)
    }

    fn ready(&mut self, ready: &wire::Ready) -> Result<(), SessionError> {
        if ready.root == wire::RootKind::ReadOnly {
            self.reports.emit(Event::Warning {
                text: "this kernel has no overlay file system (CONFIG_OVERLAY_FS): the root is read-only, only /tmp, /var/tmp and /run can be written".into(),
            })?;
        }
        let asked = self.settings.spec.cpus.count();
        // An engine may add some that stay idle.
        if ready.cpus < asked {
            let cpus = ready.cpus;
            self.reports.emit(Event::Warning {
                text: format!(
                    "{cpus} of {asked} CPUs came online: CONFIG_SMP, CONFIG_NR_CPUS and options such as maxcpus= limit them"
                ),
            })?;
        }
        if self.settings.spec.nested && !ready.kvm {
            return Err(SessionError::NoKvm);
        }
        self.taint = ready.taint;
        self.measured.ready = Some(now_nanos());
        let boot_ms = millis(self.launched.elapsed());
        self.reports.emit(Event::MachineReady {
            machine: self.number,
            release: self.release.clone(),
            boot_ms,
        })?;
        Ok(())
    }

    fn output(
        &mut self,
        running: &mut Running<'_>,
        stream: Stream,
        data: &[u8],
    ) -> Result<(), SessionError> {
        let file = match stream {
            Stream::Stdout => {
                running.parser.push(data);
                &mut running.files.stdout
            }
            Stream::Stderr => &mut running.files.stderr,
        };
        file.write(data).map_err(io_error(WRITE_OUTPUT))?;
        if let Some(passed_on) = &self.settings.passed_on {
            passed_on.write(stream, data, self.settings.cancel.as_fd())?;
            // However long the reader took: meanwhile init was not listened to.
            running.watchdog.sign_of_life(Instant::now());
            return Ok(());
        }
        let shown = match stream {
            Stream::Stdout => reports::Stream::Stdout,
            Stream::Stderr => reports::Stream::Stderr,
        };
        self.reports.output(&running.test.id, shown, data);
        Ok(())
    }
}

/// Reads one piece of a port into `take`; closes the port at its end. Returns whether something came.
pub fn read_piece(
    port: &mut Option<UnixStream>,
    take: impl FnOnce(&[u8]) -> io::Result<()>,
) -> io::Result<bool> {
    let Some(stream) = port else { return Ok(false) };
    let mut buffer = [0; 64 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) => *port = None,
        Ok(n) => return take(&buffer[..n]).map(|()| true),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) => {}
        Err(_) => *port = None,
    }
    Ok(false)
}

/// One line of text from the guest, made harmless.
pub fn printable(text: &str, limit: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(limit)
        .collect()
}
