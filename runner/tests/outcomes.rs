//! Every way a test can come out on a kernel that stays well, in every report.

mod common;

use common::Run;

#[test]
fn first() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .sh("good", "echo hello; echo oops >&2")
        .sh("bad", "exit 1")
        .run();
    done.assert_status(1);
    done.assert_outcome("good", "pass", "");
    assert_eq!(done.output("good", "stdout"), "hello\n");
    assert_eq!(done.output("good", "stderr"), "oops\n");
    eprintln!("{}", done.stderr);
    eprintln!("{:#}", done.results);
}
