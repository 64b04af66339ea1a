//! The kernel's own tests, `tools/testing/selftests` of its source: read where they are installed, or built from a tree.

mod build;
mod candidates;
mod command;
mod diagnose;
mod install;
mod log;
mod make;
mod mirror;
mod settings;
mod tree;
mod verdict;

pub use build::{Build, BuildError, Built, Extent, FailedCollection, Progress};
pub(crate) use candidates::Candidates;
pub use candidates::InstallDir;
pub use command::Guest;
pub use install::{InstallError, Installed};
pub(crate) use log::Log;
pub(crate) use tree::SELFTESTS;
pub use tree::{Tree, TreeError};
pub(crate) use verdict::{is_mark, title};
