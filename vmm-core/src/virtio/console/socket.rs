//! Bytes between a socket and guest memory, without a copy in between.
#![allow(unsafe_code, reason = "the kernel reads and writes guest memory")]

use crate::virtio::iov::Iov;
use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
};

/// Slices of one call, at most (`UIO_MAXIOV` of Linux). What does not fit goes with the next.
const MAX_SLICES: usize = 1024;

/// Sends what lies in `iov` from `offset` bytes on, as far as the socket takes it without waiting: how many bytes.
pub(super) fn send(socket: &UnixStream, iov: &Iov<'_, '_>, offset: usize) -> io::Result<usize> {
    let mut slices = slices(iov, offset);
    let header = header(&mut slices);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the header has the address and number of `slices`, which lie in guest memory that `iov` borrows. The
    // guest changes it as it likes, but only the kernel reads it.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives into `iov` what there is without waiting: how many bytes, 0 at the end of the stream.
///
/// `iov` must not be empty, which would look like the end.
pub(super) fn receive(socket: &UnixStream, iov: &Iov<'_, '_>) -> io::Result<usize> {
    let mut slices = slices(iov, 0);
    let mut header = header(&mut slices);
    // SAFETY: as in `send`, and only the kernel writes it: no Rust reference to guest memory exists.
    let received =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// The slices from `offset` bytes on that are not empty.
fn slices(iov: &Iov<'_, '_>, offset: usize) -> Vec<libc::iovec> {
    let mut skip = offset;
    iov.slices()
        .iter()
        .filter_map(|slice| {
            let here = skip.min(slice.len());
            skip -= here;
            let rest = slice.offset(here).ok()?;
            (!rest.is_empty()).then(|| libc::iovec {
                iov_base: rest.ptr_guard_mut().as_ptr().cast(),
                iov_len: rest.len(),
            })
        })
        .take(MAX_SLICES)
        .collect()
}

fn header(slices: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: a structure of integers and pointers, for which zero means none.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = slices.as_mut_ptr();
    header.msg_iovlen = slices.len();
    header
}
