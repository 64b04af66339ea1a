//! Suites beside the built-in checks and the selftests, and what lists say of tests, on a real kernel.

mod common;

use common::Run;
use std::{fs, path::Path, process::Command};

/// The project's directory.
fn project() -> &'static Path {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir
        .parent()
        .expect("the workspace is above its crates")
}

#[test]
fn a_list_looks_for_programs_where_a_run_does() {
    let dir = tempfile::tempdir().expect("temporary directory");
    // Of the C library's package, and among what is for administrators.
    let manifest = "[[test]]\nname = \"a\"\ncommand = \"true\"\nneeds = [\"program:ldconfig\"]\n";
    fs::write(dir.path().join("x.toml"), manifest).expect("written");
    let list = Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(["list", "--suite", "./x.toml"])
        .current_dir(dir.path())
        .output()
        .expect("the command starts");
    assert_eq!(String::from_utf8_lossy(&list.stdout), "manifest:x:a\n");
    assert_eq!(String::from_utf8_lossy(&list.stderr), "");
}

#[test]
fn the_worked_example_of_a_manifest_runs() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run
        .cwd(project())
        .suite("./examples/manifest/tests.toml")
        .run();
    done.assert_status(0);
    done.assert_outcome("manifest:example:proc version", "pass", "");
    done.assert_outcome("manifest:example:tmpfs", "pass", "");
    let subtests = done.result("tmpfs")["subtests"]
        .as_array()
        .expect("results");
    assert_eq!(subtests.len(), 3, "{subtests:?}");
    // Not every host of this test has ip and unshare; either way it is known which.
    assert!(["pass", "skip"].contains(&done.outcome("loopback")));
    done.assert_outcome("pointer authentication", "skip", "CONFIG_ARM64_PTR_AUTH");
}

#[test]
fn a_manifests_test_finds_its_directory_arguments_and_environment() {
    let Some(run) = Run::on_kernel() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::create_dir_all(dir.path().join("a b")).expect("made");
    let manifest = "name = \"m\"\n\
        [[test]]\nname = \"around\"\ncommand = [\"sh\", \"-c\", \"pwd; echo $X; echo $1\", \"sh\", \"one two\"]\n\
        cwd = \"a b\"\nenv = { X = \"a = b\" }\n\
        [[test]]\nname = \"slow\"\ncommand = \"sleep 60\"\ntimeout = 1\n\
        [[test]]\nname = \"loop\"\ncommand = \"test -b /dev/loop0\"\nneeds = [\"module:loop\"]\n\
        [[test]]\nname = \"results\"\ncommand = \"printf 'ok 1 a\\\\nnot ok 2 b\\\\n'\"\nparser = \"tap\"\n\
        [[test]]\nname = \"rows\"\ncommand = [\"echo\", '{\"id\": \"a\", \"outcome\": \"pass\"}']\nparser = \"json-lines\"\n\
        [[test]]\nname = \"plain\"\ncommand = \"printf 'not ok 1 a\\\\n'\"\n";
    fs::write(dir.path().join("x.toml"), manifest).expect("written");
    let done = run
        .cwd(dir.path())
        .suite("x.toml")
        .arg("--timeout-scale=2")
        .run();
    done.assert_status(1);
    let stdout = done.output("around", "stdout");
    let dir = dir.path().canonicalize().expect("there");
    assert_eq!(
        stdout,
        format!("{}/a b\na = b\none two\n", dir.display()),
        "{}",
        done.stderr
    );
    done.assert_outcome("slow", "time-out", "");
    done.assert_outcome("loop", "pass", "");
    done.assert_outcome("results", "fail", "");
    done.assert_outcome("rows", "pass", "");
    assert_eq!(done.result("rows")["subtests"][0]["path"][0], "a");
    done.assert_outcome("plain", "pass", "");
}

#[test]
fn lists_skip_and_expect_with_their_reasons() {
    let Some(run) = Run::on_kernel() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).expect("written");
    };
    write(
        "what",
        "# both at once\nsmoke:clock\nsmoke:memory\n\nexec:false\nexec:true\nexec:sleep 0\n",
    );
    write(
        "known.toml",
        "[[skip]]\ntest = \"smoke:mem*\"\nreason = \"not today\"\n\
         [[skip]]\ntest = \"exec:true\"\nreason = \"other kernels\"\nkernel = \"1.0..1.1\"\n\
         [[skip]]\ntest = \"kselftest:mm\"\nreason = \"not selected\"\n\
         [[known-failure]]\ntest = \"exec:false\"\nreason = \"it has to\"\nkernel = \"2.6..\"\n\
         [[known-failure]]\ntest = \"exec:sleep*\"\nreason = \"fixed long ago\"\n",
    );
    let done = run
        .cwd(dir.path())
        .args(["--from-file", "what"])
        .args(["--skip-list", "known.toml"])
        .args(["--known-failures", "known.toml"])
        .run();
    done.assert_status(0);
    done.assert_outcome("smoke:clock", "pass", "");
    done.assert_outcome("smoke:memory", "skip", "not today (known.toml:2)");
    done.assert_outcome("exec:true", "pass", "");
    done.assert_outcome("exec:false", "expected-fail", "it has to (known.toml:12)");
    done.assert_outcome("exec:sleep 0", "pass", "");
    let warnings = done.results["warnings"].to_string();
    assert!(warnings.contains("kselftest:mm (line 9)"), "{warnings}");
    assert!(
        warnings.contains("fixed long ago (known.toml:16)"),
        "{warnings}"
    );
}

/// A workspace with a package `net`: a library, a program and an integration test.
fn workspace() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    };
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"net\", \"other\"]\nresolver = \"2\"\n",
    );
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"1.2.3\"\nedition = \"2021\"\n")
    };
    write("net/Cargo.toml", &package("net"));
    write(
        "net/src/lib.rs",
        "#[cfg(test)]\nmod tests {\n\
         #[test] fn in_the_guest() { assert_eq!(std::process::id() < 1000, true);\n\
         assert_eq!(std::fs::read_to_string(\"/proc/sys/kernel/hostname\").unwrap(), \"runner\\n\"); }\n\
         #[test] fn fails() { panic!(\"as it should\"); }\n\
         #[test] #[ignore] fn takes_ages() {}\n}\n",
    );
    write(
        "net/src/bin/tool.rs",
        "fn main() {}\n#[test] fn of_a_program() {}\n",
    );
    write(
        "net/tests/outside.rs",
        "#[test] fn has_what_cargo_sets() {\n\
         let dir = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap();\n\
         assert_eq!(std::env::current_dir().unwrap(), std::path::Path::new(&dir));\n\
         assert_eq!(std::env::var(\"CARGO_PKG_VERSION_MINOR\").unwrap(), \"2\"); }\n",
    );
    write("other/Cargo.toml", &package("other"));
    write("other/src/lib.rs", "#[test] fn unwanted() {}\n");
    dir
}

#[test]
fn the_functions_of_a_rust_workspace_run_in_the_guest() {
    let Some(run) = Run::on_kernel() else { return };
    let dir = workspace();
    let done = run
        .cwd(&dir.path().join("other"))
        .env("CARGO_TARGET_DIR", dir.path().join("built"))
        .args(["--suite", "cargo:net", "--known-failures", "../known.toml"])
        .args(["--skip", "cargo:net:nothing"]);
    let known = "[[known-failure]]\ntest = \"cargo:net:tests::fails\"\nreason = \"a panic\"\n";
    fs::write(dir.path().join("known.toml"), known).expect("written");
    let done = done.run();
    done.assert_status(0);
    done.assert_outcome("cargo:net:tests::in_the_guest", "pass", "");
    done.assert_outcome("cargo:net:tests::fails", "expected-fail", "a panic");
    done.assert_outcome("cargo:net:tests::takes_ages", "skip", "#[ignore]");
    done.assert_outcome("cargo:net:bin/tool::of_a_program", "pass", "");
    done.assert_outcome("cargo:net:outside::has_what_cargo_sets", "pass", "");
    let output = done.output("cargo:net:tests::fails", "stderr");
    assert!(output.contains("as it should"), "{output}");
    assert_eq!(done.results["results"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_workspace_that_does_not_build_is_told_in_rustcs_words() {
    let Some(run) = Run::on_kernel() else { return };
    let dir = workspace();
    fs::write(dir.path().join("net/src/lib.rs"), "fn broken( {}\n").expect("written");
    let done = run
        .args(["--suite", "cargo:net", "--cargo-dir"])
        .arg(dir.path())
        .env("CARGO_TARGET_DIR", dir.path().join("built"))
        .run();
    done.assert_status(128);
    for part in ["building the tests", "error: ", "net/src/lib.rs:1"] {
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
}

#[test]
fn cargo_runs_its_tests_through_the_command() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    let dir = workspace();
    let runner = format!(
        "{} exec -q --kernel {} --",
        env!("CARGO_BIN_EXE_runner"),
        kernel.canonicalize().expect("there").display()
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["test", "--quiet", "--package", "net", "--test", "outside"])
        .current_dir(dir.path())
        .env("CARGO_TARGET_DIR", dir.path().join("built"))
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner)
        .output()
        .expect("cargo starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn the_kernels_unit_tests_run_while_it_boots() {
    let Some(kernel) = common::extra_kernel("bzImage") else {
        return;
    };
    let done = Run::new().kernel(&kernel).suite("kunit:*list*").run();
    done.assert_status(0);
    done.assert_outcome("kunit:list-kunit-test", "pass", "");
    let subtests = done.result("kunit:hlist")["subtests"]
        .as_array()
        .expect("results");
    assert!(subtests.len() > 10, "{subtests:?}");
    assert_eq!(subtests[0]["path"], serde_json::json!(["hlist_test_init"]));

    // Without debugfs the results are those in the kernel log.
    let log = Run::new()
        .kernel(&kernel)
        .suite("kunit:hlist")
        .args(["--append", "debugfs=off"])
        .run();
    log.assert_status(0);
    assert_eq!(
        log.result("kunit:hlist")["subtests"],
        done.result("kunit:hlist")["subtests"]
    );

    let one = Run::new().kernel(&kernel).suite("kunit:hlist:*add*").run();
    one.assert_status(0);
    let some = one.result("kunit:hlist:*add*")["subtests"]
        .as_array()
        .expect("results");
    assert!(!some.is_empty() && some.len() < subtests.len(), "{some:?}");
}

#[test]
fn a_unit_test_that_takes_the_kernel_down_costs_its_suite_alone() {
    let Some(kernel) = common::extra_kernel("bzImage") else {
        return;
    };
    // The suite kunit_fault makes an oops on purpose, which this makes a panic.
    let done = Run::new()
        .kernel(&kernel)
        .args(["--append", "oops=panic"])
        .args(["--suite", "kunit:hlist", "--suite", "kunit:kunit_fault"])
        .args(["--suite", "kunit:bitfields", "--suite", "exec:true"])
        .run();
    done.assert_status(1);
    done.assert_outcome("kunit:hlist", "pass", "");
    done.assert_outcome("kunit:kunit_fault", "kernel-crash", "Kernel panic");
    done.assert_outcome("kunit:bitfields", "pass", "");
    done.assert_outcome("exec:true", "pass", "");
    let warnings = done.results["warnings"].to_string();
    assert!(warnings.contains("a machine of its own"), "{warnings}");
}

#[test]
fn a_kernel_without_unit_tests_says_which_option_it_lacks() {
    let Some(run) = Run::on_kernel() else { return };
    let done = run.suite("kunit").run();
    done.assert_status(125);
    assert!(done.stderr.contains("CONFIG_KUNIT"), "{}", done.stderr);
}

/// Writes a program.
fn program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
}

#[test]
fn installed_trees_run_as_their_own_runners_run_them() {
    let Some(run) = Run::on_kernel() else { return };
    // Below a directory that init covers, so that it has to be shown to the guest.
    let dir = tempfile::tempdir_in("/tmp").expect("temporary directory");
    let ltp = dir.path().join("ltp");
    fs::create_dir_all(ltp.join("runtest")).expect("made");
    let scenario = "# synthetic\ngood01 good01 -a && true\nwrong01 good01 -a; exit 1\nconf01 good01 x; exit 32\n";
    fs::write(ltp.join("runtest/mini"), scenario).expect("written");
    program(
        &ltp.join("testcases/bin/good01"),
        "#!/bin/sh\nset -u\ncase $1 in x) echo 'good01.c:7: TCONF: not here' >&2;; *) echo 'good01.c:9: TPASS: fine' >&2;; esac\ntest -d \"$LTPROOT\" && test -d \"$TMPDIR\" && test \"$LTP_COLORIZE_OUTPUT\" = 0\n",
    );
    let blktests = dir.path().join("blktests");
    program(
        &blktests.join("check"),
        "#!/bin/sh\n# synthetic\ncase $1 in loop/001) echo \"$1 (fine) [passed]\";; loop/003) echo \"$1 (more) [not run]\"; echo '    no fio';; *) echo \"$1 (bad) [failed]\"; exit 1;; esac\n",
    );
    for name in ["loop/001", "loop/002", "loop/003"] {
        let path = blktests.join("tests").join(name);
        program(&path, "test() {\n\ttrue\n}\n");
    }
    program(
        &blktests.join("tests/nvme/003"),
        "test_device() {\n\ttrue\n}\n",
    );
    let done = run
        .args(["--suite", "ltp:mini", "--suite", "blktests", "--ltp"])
        .arg(&ltp)
        .arg("--blktests")
        .arg(&blktests)
        .run();
    done.assert_status(1);
    done.assert_outcome("ltp:mini:good01", "pass", "");
    assert_eq!(
        done.result("ltp:mini:good01")["subtests"][0]["outcome"],
        "pass"
    );
    done.assert_outcome("ltp:mini:wrong01", "fail", "");
    done.assert_outcome("ltp:mini:conf01", "skip", "");
    done.assert_outcome("blktests:loop:001", "pass", "");
    done.assert_outcome("blktests:loop:002", "fail", "");
    done.assert_outcome("blktests:loop:003", "skip", "no fio");
    done.assert_outcome("blktests:nvme:003", "skip", "scratch devices");
}

#[test]
fn mistakes_in_files_are_told_with_their_line() {
    let Some(kernel) = common::kernel() else {
        return;
    };
    let dir = tempfile::tempdir().expect("temporary directory");
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).expect("written");
    };
    write("list.toml", "[[skip]]\ntest = \"smoke\"\nraeson = \"x\"\n");
    write(
        "tests.toml",
        "[[test]]\nname = \"a\"\ncommand = \"true\"\nneeds = [\"luck\"]\n",
    );
    write("specs", "smoke:clock\nsmok:memory\n");
    write("none", "# nothing\n");
    for (arguments, status, parts) in [
        (
            ["--skip-list", "list.toml"],
            128,
            ["list.toml:3", "`reason`"],
        ),
        (
            ["--known-failures", "gone.toml"],
            128,
            ["gone.toml", "No such file"],
        ),
        (
            ["--suite", "./tests.toml"],
            128,
            ["tests.toml:4", "program:NAME"],
        ),
        (
            ["--from-file", "specs"],
            128,
            ["specs:2", "nearest is smoke"],
        ),
        (["--from-file", "none"], 125, ["--from-file", "no SPEC"]),
        (["--suite", "ltp:x"], 128, ["/opt/ltp", "--ltp DIR"]),
        (["--suite", "xfstests"], 128, ["xfstests", "--xfstests DIR"]),
    ] {
        let run = Run::new().kernel(&kernel).cwd(dir.path()).args(arguments);
        let done = run.run();
        done.assert_status(status);
        for part in parts {
            assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
        }
    }
}

#[test]
fn what_a_kernel_lacks_for_a_collection_is_named_before_the_boot() {
    let Some(run) = Run::on_kernel() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("kselftest-list.txt"), "mine:a\n").expect("written");
    program(&dir.path().join("mine/a"), "#!/bin/sh\nexit 0\n");
    fs::write(
        dir.path().join("mine/config"),
        "CONFIG_NO_KERNEL_HAS_THIS=y\nCONFIG_PROC_FS=y\n",
    )
    .expect("written");
    let done = run
        .args(["--suite", "kselftest", "--kselftest"])
        .arg(dir.path())
        .run();
    done.assert_status(0);
    let warnings = done.results["warnings"].to_string();
    for part in ["CONFIG_NO_KERNEL_HAS_THIS (mine)", "runner kconfig"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    assert!(!warnings.contains("PROC_FS"), "{warnings}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(["kconfig", "--suite", "kselftest:mine", "--kselftest"])
        .arg(dir.path())
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "# kselftest:mine\nCONFIG_NO_KERNEL_HAS_THIS=y\n",
        "CONFIG_PROC_FS=y",
        "CONFIG_VIRTIO_CONSOLE=y",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
