//! Descriptor chains as lists of host memory slices.
