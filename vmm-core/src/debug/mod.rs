//! Looking into a machine from outside.
