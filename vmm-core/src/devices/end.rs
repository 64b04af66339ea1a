//! How a device tells that the guest ends its machine.

use std::sync::Arc;

/// What the guest asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// To be switched off.
    PowerOff,
    /// To be restarted.
    Reset,
}

/// Called by a device, on a vCPU's thread, when the guest asks for an [`Ending`]. A guest may ask more than once, and
/// on several vCPUs at a time; the first counts. It must not wait for the vCPUs.
pub type EndSignal = Arc<dyn Fn(Ending) + Send + Sync>;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A signal, and what came over it.
    pub(crate) fn recorder() -> (EndSignal, Arc<Mutex<Vec<Ending>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        (
            Arc::new(move |ending| into.lock().expect("held by nobody").push(ending)),
            seen,
        )
    }
}
