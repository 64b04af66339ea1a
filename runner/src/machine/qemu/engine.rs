//! Starting, watching and ending a QEMU process.

use super::{
    args::{arguments, fds},
    qmp::{Qmp, QmpEvent},
};
use crate::machine::{
    Accelerator, Control, Engine, HostPorts, LaunchError, Launched, Machine, MachineSpec,
    StopReason, child::bound_command,
};
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::json;
use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::PathBuf,
    process::{Child, ChildStderr, Stdio},
};

/// How much of QEMU's standard error is kept, from its end, in bytes.
const STDERR_KEPT: usize = 8 * 1024;

/// The QEMU engine.
pub struct Qemu {
    program: PathBuf,
    accelerator: Accelerator,
    reason: String,
    advice: Option<String>,
}

impl Qemu {
    /// QEMU at `program`; `reason` says why this accelerator, `advice` how to get a better one.
    #[must_use]
    pub fn new(
        program: PathBuf,
        accelerator: Accelerator,
        reason: String,
        advice: Option<String>,
    ) -> Self {
        Self {
            program,
            accelerator,
            reason,
            advice,
        }
    }
}

impl Engine for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    fn reason(&self) -> &str {
        &self.reason
    }

    fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    fn launch(&self, spec: &MachineSpec) -> Result<Launched, LaunchError> {
        let host = |action: &str| {
            let action = action.to_owned();
            move |source: io::Error| LaunchError::Host { action, source }
        };
        let mut mappings = vec![];
        let mut pair = |child_fd: i32| -> io::Result<UnixStream> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            mappings.push(FdMapping {
                parent_fd: theirs.into(),
                child_fd,
            });
            Ok(ours)
        };
        let make = "make the sockets of a machine";
        let console = pair(fds::CONSOLE).map_err(host(make))?;
        let qmp = pair(fds::QMP).map_err(host(make))?;
        let link = pair(fds::LINK).map_err(host(make))?;
        let klog = pair(fds::KLOG).map_err(host(make))?;
        for (image, child_fd) in [
            (&spec.kernel, fds::KERNEL),
            (&spec.initramfs, fds::INITRAMFS),
        ] {
            let parent_fd = image
                .as_fd()
                .try_clone_to_owned()
                .map_err(host("duplicate a descriptor"))?;
            mappings.push(FdMapping {
                parent_fd,
                child_fd,
            });
        }

        let program = self.program.to_string_lossy();
        let mut command = bound_command(&program, &arguments(spec, self.accelerator));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
            .fd_mappings(mappings)
            .map_err(|e| host("pass descriptors to a machine")(io::Error::other(e)))?;
        let mut child = command.spawn().map_err(host(&format!("start {program}")))?;
        // The command holds the machine's ends of the sockets: a dead machine must show as closed ports.
        drop(command);
        let stderr = child.stderr.take().expect("piped above");
        let machine = QemuMachine::watch(child, stderr, Qmp::new(qmp), &console)
            .map_err(host("watch a machine"))?;
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

struct QemuMachine {
    child: Child,
    pidfd: OwnedFd,
    qmp: Qmp,
    console: UnixStream,
    stderr: Option<ChildStderr>,
    last_words: Vec<u8>,
    announced: Option<StopReason>,
    gone: Option<StopReason>,
}

impl QemuMachine {
    fn watch(
        mut child: Child,
        stderr: ChildStderr,
        qmp: Qmp,
        console: &UnixStream,
    ) -> io::Result<Self> {
        let pieces = rustix::io::ioctl_fionbio(&stderr, true)
            .and_then(|()| pidfd_open(Pid::from_child(&child), PidfdFlags::empty()))
            .map_err(io::Error::from)
            .and_then(|pidfd| Ok((pidfd, console.try_clone()?)));
        let (pidfd, console) = match pieces {
            Ok(pieces) => pieces,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        Ok(Self {
            child,
            pidfd,
            qmp,
            console,
            stderr: Some(stderr),
            last_words: Vec::new(),
            announced: None,
            gone: None,
        })
    }

    fn read_stderr(&mut self) {
        let Some(stderr) = &mut self.stderr else {
            return;
        };
        let mut buffer = [0; 4096];
        loop {
            match stderr.read(&mut buffer) {
                Ok(0) => break self.stderr = None,
                Ok(n) => {
                    self.last_words.extend_from_slice(&buffer[..n]);
                    let excess = self.last_words.len().saturating_sub(STDERR_KEPT);
                    self.last_words.drain(..excess);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => break self.stderr = None,
            }
        }
    }

    /// QEMU's last words, one line, without the noise it prints on every start.
    fn complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.last_words);
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| {
                !line.is_empty() && !line.contains("warning: TCG doesn't support requested feature")
            })
            .collect();
        lines.join("; ")
    }
}

impl Machine for QemuMachine {
    fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.pidfd.as_fd()];
        fds.extend(self.qmp.fd());
        fds.extend(self.stderr.as_ref().map(AsFd::as_fd));
        fds
    }

    fn process(&mut self) -> io::Result<Option<StopReason>> {
        if self.gone.is_some() {
            return Ok(self.gone.clone());
        }
        // The status is taken first: what the process said before it ended is then all there to be read.
        let status = self.child.try_wait()?;
        self.read_stderr();
        for event in self.qmp.events()? {
            match event {
                QmpEvent::Shutdown(reason) => {
                    self.announced.get_or_insert(match reason.as_str() {
                        "guest-shutdown" => StopReason::PowerOff,
                        "guest-reset" => StopReason::Reset,
                        other => {
                            StopReason::EngineDied(format!("qemu shut the machine down: {other}"))
                        }
                    });
                }
                QmpEvent::Stopped if self.announced.is_none() => {
                    self.kill();
                    self.read_stderr();
                    let complaint = self.complaint();
                    self.gone = Some(StopReason::InternalError(if complaint.is_empty() {
                        "qemu stopped the virtual CPUs".into()
                    } else {
                        complaint
                    }));
                    return Ok(self.gone.clone());
                }
                QmpEvent::Stopped => {}
                // The answer comes after the break was given to the serial port: the command key follows it.
                QmpEvent::Answered(key) => {
                    let _ = self.console.write(key.as_bytes());
                }
            }
        }
        if let Some(status) = status {
            let announced = self.announced.take();
            self.gone = Some(announced.unwrap_or_else(|| {
                let how = match (status.code(), status.signal()) {
                    (Some(code), _) => format!("qemu ended with status {code}"),
                    (None, Some(signal)) => format!("qemu was killed by signal {signal}"),
                    (None, None) => "qemu ended".into(),
                };
                let complaint = self.complaint();
                StopReason::EngineDied(if complaint.is_empty() {
                    how
                } else {
                    format!("{how}: {complaint}")
                })
            }));
        }
        Ok(self.gone.clone())
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::SysRq(key) => {
                let port = json!({ "id": "console" });
                self.qmp
                    .command("chardev-send-break", Some(port), Some(key.to_string()));
            }
        }
    }

    fn kill(&mut self) {
        // Fails only when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for QemuMachine {
    fn drop(&mut self) {
        self.kill();
    }
}
