//! Several requests in flight on one queue.
//!
//! All workers wait for the same kick, in the order in which they were started, and a kick wakes one (`EPOLLEXCLUSIVE`):
//! the first that is idle. So one request at a time is served by the first worker, on the thread that was woken, and
//! the next one wakes the second only while the first is at work. A worker that finds more than it can take wakes the
//! next by a second event, the relay.
//!
//! The ring is shared under a lock that is held to take a request and to return one, never while it is served. While all
//! are at work the driver is asked not to kick: whoever is done first looks into the ring.

use super::{MAX_REQUEST, Serve};
use crate::sync::lock;
use crate::{
    memory::GuestRam,
    virtio::{Chain, DeviceQueue, Notifier, Ring},
    worker::Stop,
};
use ninep::InFlight;
use rustix::{
    buffer::spare_capacity,
    event::{
        EventfdFlags,
        epoll::{self, CreateFlags, EventData, EventFlags},
        eventfd,
    },
    io::Errno,
};
use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// What an event of the epoll sets is about.
const STOP: u64 = 0;
const KICK: u64 = 1;
const RELAY: u64 = 2;

/// Most replies that wait for a worker's next ones to be told of together.
const COALESCED: usize = 4;

/// What the workers share.
struct Pool<'a> {
    state: Mutex<State<'a>>,
    relay: OwnedFd,
    server: &'a dyn Serve,
    /// Keeps the reply to `Tflush` behind that of the flushed request.
    in_flight: InFlight,
}

struct State<'a> {
    ring: Ring<'a>,
    /// Workers that serve a request.
    busy: usize,
    /// All of them.
    workers: usize,
}

/// Serves requests on this thread and up to `workers - 1` more, until it has to stop. Gives the queue back.
pub(super) fn run(
    stop: &Stop,
    ram: &GuestRam,
    queue: DeviceQueue,
    notifier: Arc<dyn Notifier>,
    server: &dyn Serve,
    workers: usize,
) -> DeviceQueue {
    let ring = Ring::new(ram.memory(), queue, notifier.clone());
    let Ok((relay, mut sets)) = wait_sets(stop, &ring, workers) else {
        // Out of descriptors: the driver is told, rather than left waiting.
        notifier.broken();
        return ring.into_queue();
    };
    let first = sets.remove(0);
    let pool = Pool {
        state: Mutex::new(State {
            ring,
            busy: 0,
            // Counted before they run: the first may already be at work when the last is started.
            workers: 1 + sets.len(),
        }),
        relay,
        server,
        in_flight: InFlight::new(),
    };
    thread::scope(|scope| {
        let pool = &pool;
        for set in sets {
            let thread = thread::Builder::new().name(super::NAME.into());
            // With fewer threads there are fewer requests in flight.
            if thread
                .spawn_scoped(scope, move || pool.serve(&set))
                .is_err()
            {
                pool.lock().workers -= 1;
            }
        }
        pool.serve(&first);
    });
    let state = pool.state.into_inner();
    state
        .unwrap_or_else(PoisonError::into_inner)
        .ring
        .into_queue()
}

/// The relay, and for each worker what it waits for.
fn wait_sets(
    stop: &Stop,
    ring: &Ring<'_>,
    workers: usize,
) -> Result<(OwnedFd, Vec<OwnedFd>), Errno> {
    let relay = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let one_of_us = EventFlags::IN | EventFlags::EXCLUSIVE;
    let sets = (0..workers.max(1)).map(|_| {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&set, stop, EventData::new_u64(STOP), EventFlags::IN)?;
        epoll::add(&set, ring, EventData::new_u64(KICK), one_of_us)?;
        epoll::add(&set, &relay, EventData::new_u64(RELAY), one_of_us)?;
        Ok(set)
    });
    let sets = sets.collect::<Result<_, Errno>>()?;
    Ok((relay, sets))
}

impl<'m> Pool<'m> {
    /// One worker.
    fn serve(&self, set: &OwnedFd) {
        let mut buffer = vec![0; MAX_REQUEST];
        let mut events = Vec::with_capacity(3);
        loop {
            events.clear();
            match epoll::wait(set, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let has = |what| events.iter().any(|event| event.data.u64() == what);
            if has(STOP) {
                return;
            }
            if has(RELAY) {
                // Another one may have been faster.
                let _ = rustix::io::read(&self.relay, &mut [0; 8]);
            }
            let mut state = self.lock();
            if has(KICK) {
                state.ring.take_kick();
            }
            self.work(state, &mut buffer);
        }
    }

    /// Takes and serves requests until there are none, or as many were served as the queue has room for: then someone
    /// else is woken, so that this one sees whether it has to stop.
    fn work<'a>(&'a self, mut state: MutexGuard<'a, State<'m>>, buffer: &mut [u8]) {
        let mut unannounced = 0;
        for _ in 0..state.ring.size() {
            let chain = state.ring.pop();
            if chain.is_none() || unannounced == COALESCED {
                state.ring.notify();
                unannounced = 0;
            }
            let Some(chain) = chain else {
                if state.ring.enable_notification() {
                    continue;
                }
                return;
            };
            state.busy += 1;
            if state.busy == state.workers {
                state.ring.disable_notification();
            } else if state.ring.enable_notification() {
                self.relay();
            }
            let len = chain.readable().read_at(0, buffer);
            let request = &buffer[..len];
            let started = self.in_flight.start(request);
            drop(state);
            let written = self.answer(request, &chain);
            started.wait_for_flushed();
            state = self.lock();
            state.busy -= 1;
            state.ring.add_used(chain.head(), written);
            drop(started);
            unannounced += 1;
        }
        state.ring.notify();
        self.relay();
    }

    /// Bytes written into the chain.
    fn answer(&self, request: &[u8], chain: &Chain<'_>) -> u32 {
        let room = chain.writable();
        if request.is_empty() || room.is_empty() {
            return 0;
        }
        let written = self.server.handle(request, room).min(room.len());
        u32::try_from(written).unwrap_or(u32::MAX)
    }

    fn relay(&self) {
        // Full only when it was written 2^64 - 1 times without being read: then it is readable anyway.
        let _ = rustix::io::write(&self.relay, &1_u64.to_ne_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, State<'m>> {
        lock(&self.state)
    }
}
