//! A root that needs no file system of the host's: the files that tests need, packed into the initramfs.
//!
//! What a program opens by itself at run time cannot be known. What is packed is what can be read off: programs, the
//! interpreters of scripts, the shared libraries of both, the commands that scripts name, the directories that tests stand in,
//! and the few files of `/etc` that every C library reads.

mod archive;
mod cache;
mod closure;
mod elf;
mod script;
mod tree;
mod usual;

pub use cache::pack;
pub use closure::{Closure, Wanted};
