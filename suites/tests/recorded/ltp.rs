//! What LTP's programs and their runners print.

use crate::support::*;
use suites::recorded::LogFormat::Ltp;

const NEW: &str = "\
tst_test.c:1733: TINFO: LTP version: 20240930
tst_test.c:1617: TINFO: Timeout per run is 0h 00m 30s
clone01.c:57: TPASS: clone returned 3
clone01.c:61: \u{1b}[1;31mTFAIL: \u{1b}[0mChild exited with 1
clone01.c:70: TCONF: not on this CPU
clone01.c:57: TPASS: clone returned 4

Summary:
passed   2
failed   1
broken   0
skipped  1
warnings 0
";

#[test]
fn a_program_of_the_new_library() {
    reads(
        NEW,
        Ltp,
        &[
            "fail ltp:clone01 # failed: Child exited with 1",
            "  pass clone01.c:57",
            "  fail clone01.c:61",
            "  skip clone01.c:70",
            "  pass clone01.c:57 #2",
        ],
    );
}

#[test]
fn programs_one_after_another_of_both_libraries() {
    let log = format!(
        "{NEW}{}",
        "\
abort01     1  TPASS  :  abort dumped core
abort01     2  TBROK  :  tst_sig.c:233: unexpected signal
tst_test.c:1733: TINFO: LTP version: 20240930
fork99.c:12: TCONF: needs CONFIG_X
"
    );
    let outline = outline(&read(log));
    assert_eq!(
        outline[5..],
        [
            "fail ltp:abort01 # failed: broken: tst_sig.c:233: unexpected signal",
            "  pass abort01 1",
            "  fail abort01 2",
            "skip ltp:fork99 # needs CONFIG_X",
            "  skip fork99.c:12",
        ]
    );
}

#[test]
fn warnings_alone_are_no_pass_and_a_time_out_is_one() {
    reads(
        "a.c:1: TWARN: cleanup failed\n",
        Ltp,
        &["fail ltp:a # it warned, and nothing passed"],
    );
    reads(
        "a.c:1: TPASS: fine\na.c:2: TWARN: cleanup failed\n",
        Ltp,
        &["pass ltp:a", "  pass a.c:1"],
    );
    reads(
        "a.c:1: TPASS: fine\ntst_test.c:1700: TBROK: Test killed! (timeout?)\n",
        Ltp,
        &[
            "time-out ltp:a # it did not end within LTP's own limit",
            "  pass a.c:1",
            "  time-out tst_test.c:1700",
        ],
    );
}

#[test]
fn ltp_pan() {
    let block = |tag: &str, output: &str, id: i32| {
        format!(
            "<<<test_start>>>\ntag={tag} stime=1732233600\ncmdline=\"{tag}\"\ncontacts=\"\"\nanalysis=exit\n\
             <<<test_output>>>\n{output}<<<execution_status>>>\ninitiation_status=\"ok\"\n\
             duration=0 termination_type=exited termination_id={id} corefile=no\ncutime=0 cstime=0\n<<<test_end>>>\n"
        )
    };
    let log = [
        block("one", "one.c:1: TPASS: x\n", 0),
        block("two", "two.c:1: TCONF: no\n", 32),
        block("three", "three.c:1: TBROK: no\n", 2),
        block("four", "four.c:1: TPASS: no\nfour.c:2: TWARN: oh\n", 4),
        block("five", "", 1),
        "<<<test_start>>>\ntag=six stime=1\n<<<test_output>>>\n".into(),
    ];
    reads(
        &log.concat(),
        Ltp,
        &[
            "pass ltp:one",
            "  pass one.c:1",
            "skip ltp:two # not for this system",
            "  skip two.c:1",
            "fail ltp:three # broken: failed: broken: no",
            "  fail three.c:1",
            "pass ltp:four",
            "  pass four.c:1",
            "fail ltp:five # failed",
            "not-run ltp:six # the log ends before its verdict",
        ],
    );
}

#[test]
fn kirk() {
    reads(
        "\
Host information

Starting suite: syscalls
abort01: pass  (0.012s)
accept01: fail | tainted  (1m 2s)
bpf01: skip  (0.001s)
bind01: broken  (0.001s)
chdir01: timed out
clone01: kernel panic
dup01: SUT not responding
",
        Ltp,
        &[
            "pass ltp:syscalls:abort01",
            "fail ltp:syscalls:accept01 # failed",
            "skip ltp:syscalls:bpf01 # not for this system",
            "fail ltp:syscalls:bind01 # broken",
            "time-out ltp:syscalls:chdir01 # it did not end in its time",
            "kernel-crash ltp:syscalls:clone01 # the kernel panicked",
            "hang ltp:syscalls:dup01 # the machine stopped answering",
        ],
    );
    reads(
        "\
Starting suite: math

===== abs01 =====
command: abs01
abs01       1  TPASS  :  Test passed

Summary:
passed    1
failed    0
broken    0
skipped   0
warnings  0

Duration: 0.006s


===== slow =====
command: slow
Test timed out

Summary:
passed    0
failed    0
broken    1
skipped   0
warnings  0

Duration: 30.0s

===== dead =====
command: dead
[   12.000000] Kernel panic - not syncing: sysrq triggered crash
",
        Ltp,
        &[
            "pass ltp:math:abs01",
            "  pass abs01 1",
            "time-out ltp:math:slow # it did not end in its time",
            "kernel-crash ltp:math:dead # Kernel panic - not syncing: sysrq triggered crash",
        ],
    );
}

#[test]
fn kirk_since_its_fourth_version() {
    let rule = "\u{2500}".repeat(18);
    let test = |name: &str, output: &str| {
        format!(
            "{rule}\n      {name}\n{rule}\nExecuting: program -a {name}\n\n{output}\nDuration: 0.558s\n\n"
        )
    };
    let sums = |passed, skipped| {
        format!(
            "\nSummary:\npassed   {passed}\nfailed   0\nbroken   0\nskipped  {skipped}\nwarnings 0\n"
        )
    };
    let log = [
        "Host information\n\tHostname:   x\n\nSuite: math\n\u{2500}\u{2500}\u{2500}\n".into(),
        test(
            "abs01",
            &format!("abs01.c:1: TPASS: x\nabs01.c:2: TCONF: y\n{}", sums(1, 1)),
        ),
        test(
            "gf01",
            &format!("Executing: nothing\n1 is 1\n{}", sums(1, 0)),
        ),
        test(
            "none01",
            &format!(
                "tst_test.c:9: TINFO: x\ntst_test.c:9: TCONF: no\n{}",
                sums(0, 1)
            ),
        ),
        // What it shows at its end begins with the same word.
        "Suite:   math\nRuntime: 2s\nRuns:    2\n".into(),
    ];
    reads(
        &log.concat(),
        Ltp,
        &[
            "pass ltp:math:abs01",
            "  pass abs01.c:1",
            "  skip abs01.c:2",
            "pass ltp:math:gf01",
            "skip ltp:math:none01 # no",
            "  skip tst_test.c:9",
        ],
    );
}
