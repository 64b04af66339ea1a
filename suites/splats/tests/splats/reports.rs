//! Short reports in the form in which kernels print them.

/// The middle of most reports: who it was, and a stack in which `culprit` matters first.
pub fn stack(helpers: &[&str], culprit: &str) -> String {
    let helpers: String = helpers
        .iter()
        .map(|name| format!(" {name}+0x10/0x20\n"))
        .collect();
    format!(
        "CPU: 1 UID: 0 PID: 42 Comm: cat Tainted: G        W          6.12.0 #1\nTainted: [W]=WARN\nHardware name: A machine\n\
         Call Trace:\n <TASK>\n{helpers} {culprit}+0x1f/0x2e0\n ? stale_entry+0x1/0x10\n vfs_write+0x1/0x20 [some_module]\n \
         do_syscall_64+0x9e/0x1b0\n entry_SYSCALL_64_after_hwframe+0x4b/0x53\nRIP: 0033:0x47b7a0\n\
         RSP: 002b:00007ffda43d6af8 EFLAGS: 00000202 ORIG_RAX: 0000000000000001\n </TASK>\n"
    )
}

const CUT: &str = "------------[ cut here ]------------\n";
const END: &str = "---[ end trace 0000000000000000 ]---\n";

/// A `WARN()` with words in it.
pub fn warn(words: &str, place: &str, function: &str, culprit: &str) -> String {
    let stack = stack(&[], culprit);
    format!(
        "{CUT}{words}WARNING: CPU: 1 PID: 42 at {place} {function}+0xf/0x20\nModules linked in: some_module\n\
         RIP: 0010:{function}+0xf/0x20\nCode: e8 b6 <0f> 0b\nRSP: 0018:ffa000000041be00 EFLAGS: 00000202\n{stack}{END}"
    )
}

/// An exception, `intro` being all lines up to the `Oops:` line.
pub fn exception(intro: &str, culprit: &str) -> String {
    let stack = stack(&[], "caller");
    let registers = format!(
        "RIP: 0010:{culprit}+0x4/0x10\nCode: 0f <c7> 04\nRSP: 0018:ffa000000040be00 EFLAGS: 00000282\n\
         CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033\nPKRU: 55555554\n"
    );
    // The registers behind the end are those of the first oops since the boot.
    let summary = registers.replace(culprit, "quite_another");
    format!(
        "{intro}{registers}{stack}Modules linked in:\nCR2: 0000000000000000\n{END}{summary}note: cat[42] exited with irqs disabled\n"
    )
}

/// Between two lines of `=`.
pub fn ruled(width: usize, inside: &str) -> String {
    let rule = "=".repeat(width);
    format!("{rule}\n{inside}{rule}\n")
}

/// A report of the lock validator.
pub fn lockdep(headline: &str, culprit: &str) -> String {
    let rule = "=".repeat(headline.len());
    let stack = stack(
        &[
            "dump_stack_lvl",
            "print_circular_bug.isra.0",
            "check_noncircular",
            "lock_acquire",
        ],
        culprit,
    );
    format!(
        "\n{rule}\n{headline}\n6.12.0 #1 Not tainted\n{}\ncat/42 is trying to acquire lock:\n\
         ffff888001234567 (&a->lock){{+.+.}}-{{3:3}}, at: some_function+0x12/0x34\n\nbut task is already holding lock:\n\
         ffff888001234568 (&b->lock){{+.+.}}-{{3:3}}, at: some_function+0x12/0x34\n\n\
         the existing dependency chain (in reverse order) is:\n\n-> #1 (&b->lock){{+.+.}}-{{3:3}}:\n       \
         __mutex_lock+0x8e/0x9b0\n       chain_function+0x12/0x34\n\n1 lock held by cat/42:\n \
         #0: ffff888001234568 (&b->lock){{+.+.}}-{{3:3}}, at: some_function+0x12/0x34\n\nstack backtrace:\n{stack}",
        "-".repeat(headline.len())
    )
}
