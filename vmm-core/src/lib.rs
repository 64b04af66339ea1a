//! A KVM virtual machine monitor made for testing kernels.
