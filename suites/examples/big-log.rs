//! Writes a log of any size, of the kinds that cost a reader most: `big-log KIND BYTES`.

use std::io::{self, BufWriter, ErrorKind, Write};

/// Bytes of a piece of the kinds that have no lines.
const PIECE: usize = 64 << 10;

/// A kind of log: its name, and its part number `n`.
const KINDS: &[(&str, fn(usize) -> String)] = &[
    ("ktap", |n| {
        format!("ok {} the result number {n} of a program\n", n + 1)
    }),
    ("ktap-failing", |n| {
        format!(
            "not ok {} result {n}\n  # it is not as it should be\n",
            n + 1
        )
    }),
    ("ktap-one-name", |n| format!("ok {} the same name\n", n + 1)),
    ("kselftest", |n| {
        format!(
            "# selftests: net: test_{n}\n# TAP version 13\n# 1..2\n# # TAP version 13\n# # 1..2\n# # ok 1 deep\n\
             # # not ok 2 deeper # TIMEOUT 45 seconds\n# not ok 1 first\n# ok 2 second # SKIP it has none\n\
             not ok {} selftests: net: test_{n} # exit=1\n",
            n + 1
        )
    }),
    // Every kind of indentation, and suites that never end.
    ("nested", |n| {
        let indent = "    ".repeat(n % 40);
        format!(
            "{indent}# Subtest: suite_{n}\n{indent}1..{}\n{indent}    ok 1 case_{n}\n",
            n % 7
        )
    }),
    ("kunit", |n| {
        let number = n + 1;
        format!(
            "[    1.{:06}]     # Subtest: suite_{n}\n[    1.{:06}]     1..1\n[    1.{:06}]     ok 1 case\n\
             [    1.{:06}] ok {number} suite_{n}\n",
            n % 1_000_000,
            n % 1_000_000,
            n % 1_000_000,
            n % 1_000_000
        )
    }),
    ("one-line", |_| {
        "ok 1 a line without an end ".repeat(PIECE / 27)
    }),
    ("zeros", |_| "\0".repeat(PIECE)),
    ("splats", |n| {
        let time = format!("[{:5}.{:06}]", n / 1_000_000, n % 1_000_000);
        let lines = [
            "------------[ cut here ]------------",
            &format!(
                "WARNING: CPU: {} PID: {n} at drivers/a/file_{n}.c:{} function_{n}+0x12/0x340",
                n % 8,
                n % 5000
            ),
            "Modules linked in:",
            &format!(
                "CPU: {} PID: {n} Comm: a_program Tainted: G        W          6.12.3 #7",
                n % 8
            ),
            &format!("RIP: 0010:function_{n}+0x12/0x340"),
            "RAX: 0000000000000000 RBX: ffff888004a3b000 RCX: 0000000000000000",
            "Call Trace:",
            " <TASK>",
            &format!(" caller_{n}+0x10/0x20 [module_{}]", n % 100),
            " ? doubtful+0x1/0x2",
            " do_syscall_64+0x9e/0x1b0",
            " </TASK>",
            "---[ end trace 0000000000000000 ]---",
        ];
        lines
            .iter()
            .map(|line| format!("{time} {line}\n"))
            .collect()
    }),
    // Reports of many callers that begin and never end.
    ("splats-open", |n| {
        format!(
            "[{:5}.{:06}][{:>6}] BUG: KASAN: slab-out-of-bounds in function_{n}+0x1/0x2\n",
            n / 1_000_000,
            n % 1_000_000,
            format!("T{}", n % 1000)
        )
    }),
];

fn write(block: fn(usize) -> String, bytes: usize) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut written = 0;
    for n in 0.. {
        if written >= bytes {
            break;
        }
        let part = block(n);
        out.write_all(part.as_bytes())?;
        written += part.len();
    }
    out.flush()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let kind = args.next().unwrap_or_default();
    let bytes = args.next().and_then(|bytes| bytes.parse().ok());
    let block = KINDS.iter().find(|(name, _)| *name == kind);
    let (Some((_, block)), Some(bytes)) = (block, bytes) else {
        let kinds: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: big-log KIND BYTES, KIND one of {}", kinds.join(" "));
        std::process::exit(2);
    };
    match write(*block, bytes) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => panic!("cannot write: {e}"),
        _ => {}
    }
}
