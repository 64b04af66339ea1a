//! ^C and SIGTERM, as something that can be waited for and asked about.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Which signal ended the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT, ^C.
    Int,
    /// SIGTERM, or SIGHUP from a terminal that went away.
    Term,
}

/// Catches the signals that give a run up. They are noticed, not acted on: the run ends itself, reports and all.
pub struct Cancel {
    reader: UnixStream,
    writer: UnixStream,
    any: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Cancel {
    /// Begins to catch SIGINT, SIGTERM and SIGHUP. SIGXFSZ is caught and forgotten: a file that has become too long for
    /// `ulimit -f` is an error where it is written.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn install() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        let any = Arc::new(AtomicBool::new(false));
        let interrupted = Arc::new(AtomicBool::new(false));
        let terminated = Arc::new(AtomicBool::new(false));
        // The flags first: whoever the socket wakes finds them set.
        signal_hook::flag::register(SIGINT, interrupted.clone())?;
        signal_hook::flag::register(SIGTERM, terminated.clone())?;
        signal_hook::flag::register(SIGHUP, terminated.clone())?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, any.clone())?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        Ok(Self {
            reader,
            writer,
            any,
            interrupted,
            terminated,
        })
    }

    /// A descriptor that is readable once a signal has come or [`Cancel::give_up`] was called, and stays so.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn fd(&self) -> io::Result<UnixStream> {
        self.reader.try_clone()
    }

    /// Makes that descriptor readable without a signal: everything that goes on is to be given up.
    pub fn give_up(&self) {
        // A socket that is full is readable already.
        let _ = (&self.writer).write(&[0]);
    }

    /// True once a signal has come, for code that asks now and then.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.any
    }

    /// The signal that came, if one did.
    #[must_use]
    pub fn interrupt(&self) -> Option<Interrupt> {
        if self.interrupted.load(Ordering::SeqCst) {
            Some(Interrupt::Int)
        } else if self.terminated.load(Ordering::SeqCst) {
            Some(Interrupt::Term)
        } else {
            None
        }
    }
}
