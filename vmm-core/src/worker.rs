//! One thread that owns a handler and waits for its events.
