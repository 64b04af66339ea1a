//! virtio-console with named ports (virtio 1.2, 5.3).
