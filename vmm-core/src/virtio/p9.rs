//! virtio-9p (virtio 1.2 leaves it out; `net/9p/trans_virtio.c` is the driver): requests to the [`ninep`] server.
//!
//! A chain is one request: its readable part is the message, its writable part is room for the reply. The guest chooses
//! both. Of a message at most 64 KiB are looked at, and they are copied first, so that the guest cannot
//! change them while they are decoded; replies go straight into guest memory. At most as many requests are served at a
//! time as there are workers, the rest waits in the ring.

#![allow(
    unsafe_code,
    reason = "replies are written by the kernel, through pointers"
)]

mod pool;
#[cfg(test)]
mod tests;

use super::{
    device::{ActivateError, Activation, DeviceQueue, VirtioDevice},
    iov::Iov,
    queue_thread::QueueThread,
};
use crate::worker::Stop;
use ninep::{Reply, Server};
use std::{sync::Arc, thread};
use virtio_bindings::virtio_ids::VIRTIO_ID_9P;

/// `VIRTQUEUE_NUM` of the driver.
const QUEUE_SIZES: &[u16] = &[128];
/// `VIRTIO_9P_MOUNT_TAG` (`include/uapi/linux/virtio_9p.h`), as a feature bit.
const MOUNT_TAG: u64 = 1 << 0;
/// Most bytes of a request. A read-only client has no longer ones, but for data that will be refused by its header.
const MAX_REQUEST: usize = 64 << 10;
/// Most workers of a device.
const MAX_WORKERS: usize = 4;
const NAME: &str = "p9";

/// Who answers requests.
trait Serve: Send + Sync {
    /// Answers `request` into `reply`; the size of the reply in bytes.
    fn handle(&self, request: &[u8], reply: Iov<'_, '_>) -> usize;
    /// Forgets the client.
    fn reset(&self);
}

impl Serve for Server {
    fn handle(&self, request: &[u8], reply: Iov<'_, '_>) -> usize {
        let pieces = reply.raw();
        // SAFETY: the pieces are guest memory, mapped for as long as `reply` is borrowed, and no reference to it is ever
        // made.
        let mut reply = unsafe { Reply::from_raw(&pieces) };
        self.handle(request, &mut reply)
    }

    fn reset(&self) {
        self.reset();
    }
}

/// A tag that does not fit the configuration space.
#[derive(Debug, thiserror::Error)]
#[error("mount tag of {0} bytes: at most 255")]
pub struct TagTooLong(usize);

/// One share.
pub struct P9 {
    /// Length of the tag, then the tag (`struct virtio_9p_config`).
    config: Vec<u8>,
    server: Arc<dyn Serve>,
    workers: usize,
    thread: QueueThread,
}

impl P9 {
    /// Shows what `server` serves under the mount tag `tag`.
    ///
    /// # Errors
    /// When the tag is too long.
    pub fn new(tag: &str, server: Server) -> Result<Self, TagTooLong> {
        Self::with_server(tag, Arc::new(server))
    }

    fn with_server(tag: &str, server: Arc<dyn Serve>) -> Result<Self, TagTooLong> {
        let len = u8::try_from(tag.len()).map_err(|_| TagTooLong(tag.len()))?;
        let mut config = u16::from(len).to_le_bytes().to_vec();
        config.extend(tag.as_bytes());
        Ok(Self {
            config,
            server,
            workers: thread::available_parallelism().map_or(1, |cpus| cpus.get().min(MAX_WORKERS)),
            thread: QueueThread::default(),
        })
    }
}

impl VirtioDevice for P9 {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_9P
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> u64 {
        MOUNT_TAG
    }

    fn queue_sizes(&self) -> &[u16] {
        QUEUE_SIZES
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.config.get(offset..).unwrap_or_default();
        for (to, from) in data.iter_mut().zip(rest) {
            *to = *from;
        }
    }

    fn activate(&mut self, mut activation: Activation) -> Result<(), ActivateError> {
        let queue = activation.only_queue(NAME)?;
        let Activation { ram, notifier, .. } = activation;
        let (server, workers) = (self.server.clone(), self.workers);
        let body = move |stop: Stop| pool::run(&stop, &ram, queue, notifier, &*server, workers);
        self.thread.start(NAME, body)
    }

    fn deactivate(&mut self) -> Vec<DeviceQueue> {
        self.thread.stop()
    }

    fn reset(&mut self) {
        self.server.reset();
    }
}
