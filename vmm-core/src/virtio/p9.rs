//! virtio-9p (virtio 1.2 leaves it out; `net/9p/trans_virtio.c` is the driver): requests to the [`ninep`] server.
