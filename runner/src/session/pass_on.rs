//! A command's output, passed on as it comes.

use super::state::{SessionError, io_error};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};
use wire::Stream;

/// Bytes that a pipe found ready takes without waiting (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;

/// Where a command's two streams go, byte by byte as the guest sends them.
#[derive(Debug)]
pub struct PassOn {
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl PassOn {
    /// To our own standard output and error.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn to_ours() -> io::Result<Self> {
        Ok(Self {
            stdout: io::stdout().as_fd().try_clone_to_owned()?,
            stderr: io::stderr().as_fd().try_clone_to_owned()?,
        })
    }

    /// Standard output into `file`, from its position on; standard error to ours.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn to_file(file: &File) -> io::Result<Self> {
        Ok(Self {
            stdout: file.as_fd().try_clone_to_owned()?,
            stderr: io::stderr().as_fd().try_clone_to_owned()?,
        })
    }

    /// Writes `data`, for as long as the reader takes, or until `cancel` is readable.
    pub(super) fn write(
        &self,
        stream: Stream,
        data: &[u8],
        cancel: BorrowedFd<'_>,
    ) -> Result<(), SessionError> {
        let fd = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        match write_all(fd, data, cancel) {
            Err(rustix::io::Errno::PIPE) => Err(SessionError::OutputClosed),
            other => other.map_err(|e| io_error("pass on the command's output")(e.into())),
        }
    }
}

fn write_all(fd: &OwnedFd, mut data: &[u8], cancel: BorrowedFd<'_>) -> rustix::io::Result<()> {
    while !data.is_empty() {
        let mut polled = [
            PollFd::from_borrowed_fd(cancel, PollFlags::IN),
            PollFd::new(fd, PollFlags::OUT),
        ];
        match poll(&mut polled, None) {
            Ok(_) if !polled[0].revents().is_empty() => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        if polled[1].revents().is_empty() {
            continue;
        }
        match rustix::io::write(fd, &data[..data.len().min(PIECE)]) {
            Ok(written) => data = &data[written..],
            // Somebody else's descriptor may have been made non-blocking.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
        thread,
    };

    fn pipe() -> (std::fs::File, OwnedFd) {
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        (reader.into(), writer)
    }

    #[test]
    fn everything_arrives_in_order_however_slow_the_reader() {
        let (mut reader, stdout) = pipe();
        let (_, stderr) = pipe();
        let (cancel, _keep) = UnixStream::pair().expect("sockets");
        let data: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let expected = data.clone();
        let writer = thread::spawn(move || {
            let pass_on = PassOn { stdout, stderr };
            pass_on.write(Stream::Stdout, &data, cancel.as_fd())
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).expect("read");
        writer.join().expect("no panic").expect("written");
        assert!(got == expected);
    }

    #[test]
    fn a_reader_that_is_gone_and_one_that_never_reads_end_the_wait() {
        let (_, stdout) = pipe();
        let (_never_reads, stderr) = pipe();
        let pass_on = PassOn { stdout, stderr };
        let (cancel, mut signal) = UnixStream::pair().expect("sockets");
        let gone = pass_on.write(Stream::Stdout, b"x", cancel.as_fd());
        assert!(matches!(gone, Err(SessionError::OutputClosed)), "{gone:?}");
        signal.write_all(b"x").expect("written");
        let cancelled = pass_on.write(Stream::Stderr, &[0; 1 << 20], cancel.as_fd());
        assert!(cancelled.is_ok(), "{cancelled:?}");
    }
}
