//! Giving a machine's process what it is made of: one message with descriptors over its control socket.
//!
//! The control socket is the process's standard input, so that no descriptor has to have a number that both sides
//! know. The first message on it carries, besides one byte, these descriptors: the configuration (a sealed file, JSON), the kernel, the
//! initramfs, the console, then the ports in the configuration's order. What follows is the control protocol.

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use std::{
    io::{self, IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};
use vmm_core::{
    Descriptors,
    config::{MAX_PORTS, VmConfig},
};

/// Descriptors before the ports.
const FIXED: usize = 4;

/// Most descriptors of a message.
const MAX: usize = FIXED + MAX_PORTS;

/// Longest configuration, in bytes: a hundred shares with the longest paths.
const MAX_CONFIG: u64 = 1 << 20;

/// The one byte, without which no descriptors can be sent.
const BYTE: [u8; 1] = *b"m";

/// What a machine is made of, as its owner has it.
pub struct Parts<'a> {
    /// The configuration as JSON, at its beginning.
    pub config: BorrowedFd<'a>,
    /// The kernel image.
    pub kernel: BorrowedFd<'a>,
    /// The initramfs.
    pub initramfs: BorrowedFd<'a>,
    /// The machine's ends of console and ports.
    pub console: BorrowedFd<'a>,
    /// In the configuration's order.
    pub ports: Vec<BorrowedFd<'a>>,
}

/// Sends what a machine is made of; they wait in the socket until its process comes for them.
///
/// # Errors
/// When the socket does not take them.
pub fn send(control: &UnixStream, parts: &Parts<'_>) -> io::Result<()> {
    let fixed = [parts.config, parts.kernel, parts.initramfs, parts.console];
    let fds: Vec<BorrowedFd<'_>> = fixed.iter().chain(&parts.ports).copied().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("too many descriptors"));
    }
    sendmsg(
        control,
        &[IoSlice::new(&BYTE)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Why a process did not get what its machine is made of.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Standard input is not the control socket of a machine.
    #[error("cannot take over the control socket")]
    Socket(#[source] io::Error),
    /// The owner was gone, or sent something else.
    #[error("expected {FIXED} descriptors or more with the first message, got {got}")]
    Descriptors {
        /// As many came.
        got: usize,
    },
    /// The configuration does not fit the descriptors.
    #[error("{ports} ports are configured, and there are descriptors for {got}")]
    Ports {
        /// As configured.
        ports: usize,
        /// As sent.
        got: usize,
    },
    /// The configuration cannot be read.
    #[error("cannot read the configuration")]
    Read(#[source] io::Error),
    /// The configuration is not one.
    #[error("the configuration is not valid")]
    Config(#[source] serde_json::Error),
}

/// Takes what [`send`] sent on the other end of `control`.
///
/// # Errors
/// Any [`HandoverError`].
pub fn receive(control: OwnedFd) -> Result<(VmConfig, Descriptors), HandoverError> {
    let mut fds = receive_fds(control.as_fd())?.into_iter();
    let got = fds.len();
    let mut next = || fds.next().ok_or(HandoverError::Descriptors { got });
    let (config, kernel, initramfs, console) = (next()?, next()?, next()?, next()?);
    let ports: Vec<UnixStream> = fds.map(UnixStream::from).collect();
    let mut text = Vec::new();
    std::fs::File::from(config)
        .take(MAX_CONFIG)
        .read_to_end(&mut text)
        .map_err(HandoverError::Read)?;
    let config: VmConfig = serde_json::from_slice(&text).map_err(HandoverError::Config)?;
    if config.ports.len() != ports.len() {
        return Err(HandoverError::Ports {
            ports: config.ports.len(),
            got: ports.len(),
        });
    }
    let descriptors = Descriptors {
        kernel,
        initramfs: Some(initramfs),
        console: console.into(),
        control: control.into(),
        ports,
    };
    Ok((config, descriptors))
}

fn receive_fds(control: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, HandoverError> {
    let mut byte = [0; BYTE.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut slices = [IoSliceMut::new(&mut byte)];
        match recvmsg(
            control,
            &mut slices,
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(Errno::INTR) => {}
            other => break other.map_err(|e| HandoverError::Socket(e.into()))?,
        }
    };
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.bytes != BYTE.len() || received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(HandoverError::Descriptors { got: 0 });
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::sealed_file;
    use std::io::{Seek, Write};
    use vmm_core::config::{BootConfig, CpuConfig, MemoryConfig, Transport};

    fn config(ports: &[&str]) -> VmConfig {
        VmConfig {
            cpus: CpuConfig::flat(2),
            memory: MemoryConfig {
                bytes: 64 << 20,
                huge_pages: true,
                file: false,
            },
            boot: BootConfig {
                command_line: "quiet".into(),
                acpi: true,
                start_kernel: None,
            },
            transport: Transport::Pci,
            ports: ports.iter().map(|&p| p.to_owned()).collect(),
            shares: vec![],
        }
    }

    fn hand_over(config: &[u8], ports: usize) -> Result<(VmConfig, Descriptors), HandoverError> {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(config).expect("written");
        file.rewind().expect("a file");
        let image = |text: &[u8]| sealed_file("x", text).expect("memfd");
        let (kernel, initramfs) = (image(b"kernel"), image(b"initramfs"));
        let streams: Vec<(UnixStream, UnixStream)> = (0..=ports)
            .map(|_| UnixStream::pair().expect("a socket pair"))
            .collect();
        let parts = Parts {
            config: file.as_fd(),
            kernel: kernel.as_fd(),
            initramfs: initramfs.as_fd(),
            console: streams[0].1.as_fd(),
            ports: streams[1..].iter().map(|pair| pair.1.as_fd()).collect(),
        };
        send(&ours, &parts).expect("sent");
        // The control protocol may follow before the other side has read anything.
        (&ours).write_all(b"\"resume\"\n").expect("sent");
        receive(theirs.into())
    }

    #[test]
    fn what_is_sent_arrives_and_the_protocol_goes_on_behind_it() {
        let config = config(&["a", "b"]);
        let json = serde_json::to_vec(&config).expect("plain data");
        let (got, descriptors) = hand_over(&json, 2).expect("handed over");
        assert_eq!(got, config);
        assert_eq!(descriptors.ports.len(), 2);
        let mut kernel = String::new();
        let mut file = std::fs::File::from(descriptors.kernel);
        file.rewind().expect("a file");
        file.read_to_string(&mut kernel).expect("readable");
        assert_eq!(kernel, "kernel");
        let mut request = [0; 9];
        (&descriptors.control)
            .read_exact(&mut request)
            .expect("it follows");
        assert_eq!(&request, b"\"resume\"\n");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let json = serde_json::to_vec(&config(&["a"])).expect("plain data");
        assert!(matches!(
            hand_over(&json, 2),
            Err(HandoverError::Ports { ports: 1, got: 2 })
        ));
        assert!(matches!(hand_over(b"{}", 0), Err(HandoverError::Config(_))));
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        (&ours).write_all(b"x").expect("sent");
        assert!(matches!(
            receive(theirs.into()),
            Err(HandoverError::Descriptors { got: 0 })
        ));
        let (_, theirs) = UnixStream::pair().expect("a socket pair");
        assert!(receive(theirs.into()).is_err());
    }
}
