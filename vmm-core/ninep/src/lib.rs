//! A read-only 9P2000.L file server that cannot leave its share.
//!
//! [`Server::handle`] takes one request message and writes one reply; it knows nothing of the transport. What it
//! promises, whoever the client is:
//!
//! - **Nothing is changed on the host.** There is no code that opens for writing, creates, renames, unlinks, sets
//!   attributes or locks: the requests for these are refused by their type alone, before they are read. What is left is
//!   what any reader does: the access times of symbolic links, and of files and directories that belong to others
//!   (`O_NOATIME` is for owners), move as the host's mount options say.
//! - **Nothing outside the share is shown.** A name is one component, resolved beneath the descriptor of its directory
//!   in one file, `resolve.rs`. Symbolic links are given to the client as text and never followed.
//! - **Nothing blocks on what a name turns out to be.** Only regular files and directories are ever opened; devices,
//!   FIFOs and sockets have attributes and no content.
//! - **Everything is bounded**: fids, descriptors, the length of every message and the depth of every path
//!   ([`Limits`]).
//!
//! It runs as any user. A file that this user cannot read, the client cannot read; what the user can read, it can, be it
//! `/proc` or `/sys` below the share, where reading a file may take something out of it (`/proc/kmsg`). Where `/proc` is
//! mounted, it must be that of the process and stay there, since files are opened through `/proc/self/fd`; where there is
//! none, files are opened by their names again, and are stale (`ESTALE`) if another one has taken the name.
//!
//! System calls on the way of a request, for who writes a filter: `openat2`, `openat`, `statx`, `fstatfs`, `preadv`,
//! `getdents64`, `lseek`, `readlinkat`, `getxattr`, `listxattr`, `fgetxattr`, `flistxattr`, `close`, and those of
//! memory and locks.
//!
//! Protocol: <https://github.com/chaos/diod/blob/master/protocol.md> and, for what clients really do, Linux'
//! `net/9p/client.c`, `net/9p/protocol.c` and `fs/9p/`.
#![deny(unsafe_code)]

mod attr;
mod dir;
mod fid;
mod flight;
#[doc(hidden)]
pub mod fuzz;
pub mod limits;
mod lock;
mod message;
mod qid;
mod read;
mod resolve;
mod server;
mod sys;
mod xattr;

pub use flight::{InFlight, Started};
pub use limits::Limits;
pub use server::{OpenError, Server};
pub use sys::{Reply, Scattered};
