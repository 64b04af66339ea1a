//! The buses that virtio devices sit on.
