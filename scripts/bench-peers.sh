# Other monitors on KVM; sourced, not run. Machines of 1 CPU and 256 MiB that boot $kernel with $initramfs; arguments are added to
# their command lines. $results is a directory.

# The program kvmtool builds, where LKVM names it or it is in PATH.
lkvm=${LKVM:-$(command -v lkvm || true)}

qemu() {
    qemu-system-x86_64 -accel kvm -cpu host -smp 1 -m 256 -nodefaults -no-user-config -no-reboot -display none \
        -serial stdio -kernel "$kernel" -initrd "$initramfs" "$@"
}

q35() {
    qemu -machine q35 -append "console=ttyS0 quiet panic=-1" "$@"
}

# Without ACPI it has nothing to be restarted by but a triple fault.
microvm() {
    qemu -machine microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on -append "console=ttyS0 quiet panic=-1 reboot=t" "$@"
}

# It keeps sockets in the home directory.
kvmtool() {
    HOME=$results "$lkvm" run --name bench --kernel "$kernel" --initrd "$initramfs" --cpus 1 --mem 256 \
        --console serial --params "quiet panic=-1" "$@"
}
