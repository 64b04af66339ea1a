//! Starting, watching and ending a QEMU process.

use super::{
    args::{arguments, fds},
    qmp::{Qmp, QmpEvent},
};
use crate::machine::{
    Accelerator, Boots, Control, Engine, HostPorts, LaunchError, Launched, Machine, MachineSpec,
    StopReason, VmlinuxEntry,
    child::{bound_command, how_it_ended},
    watched::WatchedProcess,
};
use command_fds::{CommandFdExt, FdMapping};
use serde_json::json;
use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    process::{Child, Stdio},
};

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

    fn boots(&self) -> Boots {
        Boots {
            vmlinux: VmlinuxEntry::Pvh,
            // Unpacking takes seconds where every instruction is emulated.
            unpacked: self.accelerator == Accelerator::Tcg,
            mmio_by_acpi: false,
        }
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
        let child = command.spawn().map_err(host(&format!("start {program}")))?;
        // The command holds the machine's ends of the sockets: a dead machine must show as closed ports.
        drop(command);
        let machine =
            QemuMachine::watch(child, Qmp::new(qmp), &console).map_err(host("watch a machine"))?;
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
    process: WatchedProcess,
    qmp: Qmp,
    console: UnixStream,
    announced: Option<StopReason>,
    gone: Option<StopReason>,
}

impl QemuMachine {
    fn watch(child: Child, qmp: Qmp, console: &UnixStream) -> io::Result<Self> {
        Ok(Self {
            process: WatchedProcess::new(child)?,
            qmp,
            console: console.try_clone()?,
            announced: None,
            gone: None,
        })
    }

    /// QEMU's last words, one line, without the noise it prints on every start.
    fn complaint(&self) -> String {
        self.process
            .last_words
            .text(&["warning: TCG doesn't support requested feature"])
    }
}

impl Machine for QemuMachine {
    fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        self.process.fds().chain(self.qmp.fd()).collect()
    }

    fn process(&mut self) -> io::Result<Option<StopReason>> {
        if self.gone.is_some() {
            return Ok(self.gone.clone());
        }
        let status = self.process.ended()?;
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
                    self.process.last_words.read();
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
                StopReason::EngineDied(how_it_ended("qemu", status, &self.complaint()))
            }));
        }
        Ok(self.gone.clone())
    }

    fn process_id(&self) -> Option<u32> {
        Some(self.process.id())
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::SysRq(key) => {
                let port = json!({ "id": "console" });
                self.qmp
                    .command("chardev-send-break", Some(port), Some(key.to_string()));
            }
            Control::Nmi | Control::Inspect | Control::Quit => {}
        }
    }

    fn kill(&mut self) {
        self.process.kill();
    }
}
