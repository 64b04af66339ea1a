//! One request in, one reply out.

use crate::fid::{Fid, Fids, Open};
use crate::limits::{Budget, Limits, MESSAGE_SIZES};
use crate::message::{Body, DATA_HEADER, HEADER, Header, NO_FID, NO_TAG, Names, Request, VERSION};
use crate::resolve::{Share, ShareError};
use crate::sys::Reply;
use crate::{attr, lock, read, xattr};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Serves one directory to one client. Any number of threads may call it at the same time.
#[derive(Debug)]
pub struct Server {
    share: Share,
    fids: Fids,
    limits: Limits,
    /// The greatest message of either direction, in bytes; 0 before `Tversion`.
    message_size: AtomicU32,
}

/// Why a directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there, no directory, or not ours to see.
    #[error("cannot open {} as a directory", path.display())]
    Open {
        /// What was to be served.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Names could not be kept inside.
    #[error(
        "the system call openat2, which keeps a guest inside {}, is missing: it needs Linux 5.6, and a sandbox (of a container, say) that allows it",
        path.display()
    )]
    NoOpenat2 {
        /// What was to be served.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// Room that the client leaves in messages that carry data (`P9_IOHDRSZ`, `P9_READDIRHDRSZ`). A reply that filled a
/// message would be refused (`net/9p/client.c`, `p9_check_errors`).
const DATA_OVERHEAD: u32 = 24;

/// What a request comes to.
enum Outcome<'a> {
    /// A message, and a string at its end.
    Message(Body, &'a [u8]),
    /// A message, and so many bytes at its end that are in the reply already.
    InPlace(Body, usize),
}

impl Server {
    /// Opens a directory to serve it. Symbolic links on the way to it are followed: its owner named it.
    ///
    /// See [`crate::limits::raise_descriptor_limit`], to be called before. The server is for this process: not for one that
    /// is forked from it later.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn new(root: &Path, limits: Limits) -> Result<Self, OpenError> {
        let limits = limits.here();
        let path = || root.to_path_buf();
        let share = Share::open(root, Budget::new(limits.descriptors)).map_err(|e| match e {
            ShareError::NoOpenat2(source) => OpenError::NoOpenat2 {
                path: path(),
                source: source.into(),
            },
            ShareError::Open(source) => OpenError::Open {
                path: path(),
                source: source.into(),
            },
        })?;
        Ok(Self {
            share,
            fids: Fids::new(limits.fids),
            limits,
            message_size: AtomicU32::new(0),
        })
    }

    /// Handles one request message, and returns the size of the reply in bytes: 0 only where there is no room for seven.
    ///
    /// `request` begins with the message; what follows it is not looked at. The data of a request that would change the host,
    /// such as `Twrite`, may be left out, since it is refused by its header. A message that is cut otherwise, or whose reply
    /// does not fit, is answered with an error.
    ///
    /// `Tflush` is answered at once. Where requests are handled by several threads, their replies must be published as
    /// [`crate::InFlight`] says.
    pub fn handle(&self, request: &[u8], reply: &mut Reply<'_>) -> usize {
        if reply.room() < HEADER {
            return 0;
        }
        let Some(header) = Header::decode(request) else {
            return reply.send_error(NO_TAG, Errno::PROTO);
        };
        let outcome = Request::decode(header, request)
            .and_then(|request| self.carry_out_with_room(&request, reply));
        let (mut body, tail, in_place) = match outcome {
            Ok(Outcome::Message(body, tail)) => (body, tail, 0),
            Ok(Outcome::InPlace(body, size)) => (body, &[][..], size),
            Err(error) => return reply.send_error(header.tag, error),
        };
        // Every reply is its request plus one (`enum p9_msg_t`).
        let head = body.finish(header.kind + 1, header.tag, tail.len() + in_place);
        match reply.send(head, tail, in_place) {
            0 => reply.send_error(header.tag, Errno::MSGSIZE),
            size => size,
        }
    }

    /// Forgets all fids, and what was agreed with the client: the transport was reset.
    pub fn reset(&self) {
        self.message_size.store(0, Ordering::Relaxed);
        self.fids.clear();
    }

    /// Carries out a request; where descriptors have run out, gives up some and tries again: a request that failed has
    /// changed nothing. Other workers may take what was given up, but hardly again and again.
    fn carry_out_with_room<'a>(
        &self,
        request: &Request<'a>,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome<'a>, Errno> {
        for _ in 0..3 {
            match self.carry_out(request, reply) {
                Err(Errno::MFILE) => self.fids.shed(self.limits.descriptors / 4),
                outcome => return outcome,
            }
        }
        self.carry_out(request, reply)
    }

    fn carry_out<'a>(
        &self,
        request: &Request<'a>,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome<'a>, Errno> {
        let message_size = self.message_size.load(Ordering::Relaxed);
        if message_size == 0 && !matches!(request, Request::Version { .. } | Request::Flush) {
            return Err(Errno::PROTO);
        }
        let fid = |number| self.fids.get(number);
        let share = &self.share;
        let body = match *request {
            Request::Version {
                message_size,
                version,
            } => return self.version(message_size, version),
            Request::Attach { fid, auth } => self.attach(fid, auth)?,
            Request::Flush => Body::new(),
            Request::Walk {
                fid,
                new_fid,
                ref names,
            } => self.walk(fid, new_fid, names)?,
            Request::Open { fid: number, flags } => {
                let fid = fid(number)?;
                read::open(share, &fid, flags)?;
                let mut body = Body::new();
                body.qid(share.qid(&fid.node)).u32(io_unit(message_size));
                body
            }
            Request::Read {
                fid: number,
                offset,
                count,
            } => {
                let count = data_size(count, message_size, reply);
                let size = read::read(share, &*fid(number)?, offset, reply, DATA_HEADER, count)?;
                return Ok(data(size));
            }
            Request::ReadDir {
                fid: number,
                offset,
                count,
            } => {
                let fid = fid(number)?;
                let Some(Open::Directory(listing)) = fid.opened() else {
                    return Err(match fid.opened() {
                        Some(_) => Errno::NOTDIR,
                        None => Errno::BADF,
                    });
                };
                let room = data_size(count, message_size, reply);
                let size = listing.read(share, &fid.node, offset, reply, DATA_HEADER, room)?;
                return Ok(data(size));
            }
            Request::GetAttr { fid: number } => {
                attr::get(share, &*file(fid(number)?)?, io_unit(message_size))?
            }
            Request::StatFs { fid: number } => attr::file_system(share, &*fid(number)?)?,
            Request::ReadLink { fid: number } => {
                let size = attr::link(share, &*file(fid(number)?)?, reply, HEADER + 2)?;
                let mut body = Body::new();
                body.u16(u16::try_from(size).map_err(|_| Errno::NAMETOOLONG)?);
                return Ok(Outcome::InPlace(body, size));
            }
            Request::XattrWalk {
                fid: number,
                new_fid,
                name,
            } => {
                let fid = file(fid(number)?)?;
                let size = xattr::size(share, &fid.node, name)?;
                let attribute = Fid::attribute(Arc::clone(&fid.node), name);
                if new_fid == number {
                    self.fids.replace(number, attribute)?;
                } else {
                    self.fids.add(new_fid, attribute)?;
                }
                let mut body = Body::new();
                body.u64(size as u64);
                body
            }
            Request::Lock { fid: number, kind } => {
                fid(number)?;
                lock::lock(kind)?
            }
            Request::GetLock {
                fid: number,
                start,
                length,
                process,
                client,
            } => {
                fid(number)?;
                let body = lock::get(start, length, process, client)?;
                return Ok(Outcome::Message(body, client));
            }
            // Nothing was ever written.
            Request::Sync { fid: number } => fid(number).map(|_| Body::new())?,
            Request::Clunk { fid } => self.fids.remove(fid).map(|()| Body::new())?,
            Request::Remove { fid } => {
                self.fids.remove(fid)?;
                return Err(Errno::ROFS);
            }
            Request::Mutating => return Err(Errno::ROFS),
            Request::Unsupported => return Err(Errno::OPNOTSUPP),
        };
        Ok(Outcome::Message(body, &[]))
    }

    /// Begins a session: whatever was before is over.
    fn version(&self, wanted: u32, version: &[u8]) -> Result<Outcome<'static>, Errno> {
        self.reset();
        if wanted < *MESSAGE_SIZES.start() {
            return Err(Errno::MSGSIZE);
        }
        let size = wanted.min(self.limits.message_size);
        let answer: &[u8] = if version == VERSION {
            self.message_size.store(size, Ordering::Relaxed);
            VERSION
        } else {
            b"unknown"
        };
        let mut body = Body::new();
        let length = u16::try_from(answer.len()).expect("both are short");
        body.u32(size).u16(length);
        Ok(Outcome::Message(body, answer))
    }

    /// Gives out the root. Users and the name of the tree are not looked at: there is one tree, for anyone.
    fn attach(&self, number: u32, auth: u32) -> Result<Body, Errno> {
        if auth != NO_FID {
            return Err(Errno::BADF);
        }
        let root = self.share.root();
        self.fids.add(number, Fid::new(Arc::clone(root)))?;
        let mut body = Body::new();
        body.qid(self.share.qid(root));
        Ok(body)
    }

    /// Goes from one fid through some names to another. If the first name leads nowhere, that is an error; if a later one
    /// does, the reply has as many qids as there were steps, and there is no new fid (walk(5)).
    fn walk(&self, number: u32, new: u32, names: &Names<'_>) -> Result<Body, Errno> {
        let from = file(self.fids.get(number)?)?;
        if new != number {
            self.fids.can_add(new)?;
        }
        let wanted = names.len();
        let mut node = Arc::clone(&from.node);
        let mut qids = Body::new();
        let mut steps = 0u16;
        for name in names.clone() {
            match self.share.step(&node, name) {
                Ok(next) => node = next,
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(error),
                Err(error) if steps == 0 => return Err(error),
                Err(_) => break,
            }
            qids.qid(self.share.qid(&node));
            steps += 1;
        }
        if usize::from(steps) == wanted {
            if new != number {
                self.fids.add(new, Fid::new(node))?;
            } else if steps != 0 {
                self.fids.replace(number, Fid::new(node))?;
            }
        }
        let mut body = Body::new();
        body.u16(steps).bytes(qids.fields());
        Ok(body)
    }
}

/// A fid that is of a file, and not of an attribute of one.
fn file(fid: Arc<Fid>) -> Result<Arc<Fid>, Errno> {
    if fid.attribute.is_some() {
        return Err(Errno::BADF);
    }
    Ok(fid)
}

/// What one request can bring, in bytes: whole pages, so that a client that reads ahead asks for whole pages.
fn io_unit(message_size: u32) -> u32 {
    let most = message_size - DATA_OVERHEAD;
    if most < PAGE {
        most
    } else {
        most - most % PAGE
    }
}

const PAGE: u32 = 4096;

/// The bytes of data that a reply may have: what was asked for, as far as message and room go.
fn data_size(count: u32, message_size: u32, reply: &Reply<'_>) -> usize {
    let most = count.min(message_size - DATA_OVERHEAD) as usize;
    most.min(reply.room().saturating_sub(DATA_HEADER))
}

fn data(size: usize) -> Outcome<'static> {
    let mut body = Body::new();
    body.u32(u32::try_from(size).expect("it is part of a message"));
    Outcome::InPlace(body, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_leaves_room_in_every_message() {
        for (message, unit) in [
            (4096, 4072),
            (4119, 4095),
            (4120, 4096),
            (8192, 4096),
            (512_000, 507_904),
        ] {
            assert_eq!(io_unit(message), unit, "{message}");
        }
        let mut room = [0; 5000];
        for (count, message, room_size, size) in [
            (0, 8192, 5000, 0),
            (100, 8192, 5000, 100),
            (u32::MAX, 8192, 5000, 4989),
            (u32::MAX, 4096, 5000, 4072),
            (100, 4096, 60, 49),
            (100, 4096, 10, 0),
        ] {
            let reply = Reply::from_slice(&mut room[..room_size]);
            assert_eq!(data_size(count, message, &reply), size);
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let error = OpenError::NoOpenat2 {
            path: "/srv".into(),
            source: Errno::NOSYS.into(),
        };
        let text = error.to_string();
        assert!(
            text.contains("/srv") && text.contains("Linux 5.6"),
            "{text}"
        );
    }
}
