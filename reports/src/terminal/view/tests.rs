use super::*;
use crate::testing::{self, Captured};
use std::fs;

/// What a run looks like; its outputs are in files as a run leaves them.
fn shown(options: TerminalOptions) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    for (file, text) in [
        ("1/stdout", "ok 1 itimer\nnot ok 2 signal\n"),
        ("1/stderr", "\x1b[31msignal\x1b[0m was late\x07\n"),
        ("6/kernel.log", "Oops: 0000\n\nKernel panic - not syncing\n"),
    ] {
        let path = dir.path().join("tests").join(file);
        fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
        fs::write(path, text).expect("writable");
    }
    let out = Captured::default();
    let mut terminal = Terminal::on(Box::new(out.clone()), options, dir.path());
    let mut summary = Summary::default();
    for record in testing::a_run() {
        summary.apply(&record);
        terminal.apply(&record, &summary);
        if let Event::TestStarted { id, .. } = &record.event {
            terminal.output(id, Stream::Stdout, b"ok 1\nhalf a li");
        }
    }
    out.take().replace(&dir.path().display().to_string(), "OUT")
}

#[test]
fn plain_lines() {
    let expected = "\
runner 0.1.0: linux 6.1.0-56-amd64 (bzImage) on qemu (tcg: /dev/kvm interprets guest code), 2 CPUs, 1024 MiB, time-outs x8
      WARNING the kernel lacks CONFIG_POSIX_MQUEUE
         PASS [   0.512s] kselftest:timers:nanosleep (1 subtest: 1 passed)
         FAIL [   0.512s] kselftest:timers:posix_timers (2 subtests: 1 passed, 1 failed)
              exit status 1
              --- stderr: tests/1/stderr ---
              signal was late\u{fffd}
              --- stdout: tests/1/stdout ---
              ok 1 itimer
              not ok 2 signal
         SKIP [   0.512s] kselftest:timers:rtcpie
              /dev/rtc0 not found
        XFAIL [   0.512s] kselftest:timers:leapcrash
              known to fail
        FLAKY [   0.512s] kselftest:timers:raw_skew
              1 of 2 attempts failed
     TIME-OUT [   0.512s] kselftest:net:tls
              no end in 45 s
         HANG [   0.512s] smoke:clock
              the machine stopped answering
 KERNEL-CRASH [   0.512s] exec:make check
              Oops: 0000
              Kernel panic - not syncing
              --- kernel log: tests/6/kernel.log ---
              Oops: 0000

              Kernel panic - not syncing
 BOOT-FAILURE [         ] smoke:cpus
              no answer in 60 s
      NOT-RUN [         ] smoke:memory
              the run ended before its turn
HARNESS-ERROR [         ] smoke:tmpfs
              the program was not built
------------------------------------------------------------
      Summary [  12.300s] 7 tests run: 1 passed, 1 failed, 1 skipped, 1 failed as expected, 1 flaky, 1 timed out, 1 hung, 1 crashed the kernel, 1 failed to boot, 1 not run, 1 could not be judged
         FAIL [   0.512s] kselftest:timers:posix_timers (2 subtests: 1 passed, 1 failed)
        FLAKY [   0.512s] kselftest:timers:raw_skew
     TIME-OUT [   0.512s] kselftest:net:tls
         HANG [   0.512s] smoke:clock
 KERNEL-CRASH [   0.512s] exec:make check
 BOOT-FAILURE [         ] smoke:cpus
HARNESS-ERROR [         ] smoke:tmpfs
      NOT-RUN [         ] smoke:memory
exit status 1: the kernel is at fault
        JUnit OUT/junit.xml
         JSON OUT/results.json
       Events OUT/events.jsonl
";
    assert_eq!(shown(TerminalOptions::default()), expected);
}

#[test]
fn verbose_shows_machines_starts_and_output_and_no_output_twice() {
    let text = shown(TerminalOptions {
        verbose: true,
        ..TerminalOptions::default()
    });
    let expected = "       BOOTED [   4.100s] machine 1, linux 6.1.0-56-amd64
        START             kselftest:timers:nanosleep
       stdout kselftest:timers:nanosleep | ok 1
       stdout kselftest:timers:nanosleep | half a li
         PASS [   0.512s] kselftest:timers:nanosleep (1 subtest: 1 passed)
";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.contains("        ENDED machine 1: the kernel panicked\n"),
        "{text}"
    );
    assert!(!text.contains("not ok 2 signal"), "{text}");
    assert!(text.contains("--- kernel log"), "{text}");
}

#[test]
fn color_touches_the_status_words_alone() {
    let plain = shown(TerminalOptions::default());
    let colored = shown(TerminalOptions {
        color: true,
        ..TerminalOptions::default()
    });
    assert!(
        colored.contains("\x1b[1;32m         PASS\x1b[0m [   0.512s] kselftest:timers:nanosleep")
    );
    assert_eq!(crate::text::strip_ansi(&colored), plain);
}

#[test]
fn progress_changes_no_line() {
    // Progress itself is drawn only where standard error is a terminal.
    let live = TerminalOptions {
        live: true,
        ..TerminalOptions::default()
    };
    assert_eq!(shown(live), shown(TerminalOptions::default()));
}

#[test]
fn a_reader_that_is_gone_stops_nothing() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut terminal = Terminal::on(Box::new(Gone), TerminalOptions::default(), Path::new("."));
    let records = testing::a_run();
    for record in &records {
        terminal.apply(record, &Summary::of(&records));
    }
}

#[test]
fn a_run_that_somebody_else_tells_of_shows_its_beginning_or_nothing() {
    let only = |show| {
        shown(TerminalOptions {
            show,
            ..TerminalOptions::default()
        })
    };
    let whole = only(Show::Run);
    let beginning = only(Show::Beginning);
    assert!(beginning.starts_with("runner "), "{beginning}");
    assert!(beginning.contains("WARNING "), "{beginning}");
    assert!(whole.starts_with(beginning.lines().next().expect("a line")));
    for line in beginning.lines() {
        assert!(whole.contains(line), "{line}");
    }
    for word in ["PASS", "Summary", "exit status"] {
        assert!(whole.contains(word) && !beginning.contains(word), "{word}");
    }
    assert_eq!(only(Show::Nothing), "");
}
