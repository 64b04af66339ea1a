# Shared by the scripts beside it; sourced, not run.

# Where the fetched kernel and sources stand: inside the checkout, so that nothing of the host's is replaced.
KERNELS="$PWD/.kernels"

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$0: $*"
    exit 1
}

# cargo as rustup installs it, even where the shell has not been started anew since.
if ! command -v cargo >/dev/null 2>&1 && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
    export PATH
fi

# The newest kernel image fetched by scripts/setup.
demo_kernel() {
    ls -1v "$KERNELS"/boot/vmlinuz-* 2>/dev/null | tail -n 1
}

# The kernel source tree unpacked by scripts/setup.
demo_source() {
    ls -1dv "$KERNELS"/src/linux-source-* 2>/dev/null | tail -n 1
}
