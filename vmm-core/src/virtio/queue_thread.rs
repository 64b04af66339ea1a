//! The thread of a device that has one queue.

use super::device::{ActivateError, DeviceQueue};
use crate::worker::{Stop, Worker};

/// A device's thread, while it is active.
#[derive(Default)]
pub struct QueueThread(Option<Worker<DeviceQueue>>);

impl QueueThread {
    /// Starts `body` in a thread called `device`. It is to return the queue when it is told to stop.
    ///
    /// # Errors
    /// [`ActivateError::Host`].
    pub fn start(
        &mut self,
        device: &'static str,
        body: impl FnOnce(Stop) -> DeviceQueue + Send + 'static,
    ) -> Result<(), ActivateError> {
        let worker = Worker::spawn(device, body).map_err(|source| ActivateError::Host {
            device,
            action: "start a thread",
            source,
        })?;
        self.0 = Some(worker);
        Ok(())
    }

    /// Stops it; the queue, if there was one.
    pub fn stop(&mut self) -> Vec<DeviceQueue> {
        let queue = self.0.take().and_then(Worker::stop);
        queue.into_iter().collect()
    }
}
