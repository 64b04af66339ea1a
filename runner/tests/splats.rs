//! `runner splats` on recorded logs.

mod common;
mod said;

use common::{Run, extra_kernel, on_path};
use said::{Place, Said};
use serde_json::Value;
use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

const LOG: &str = "\
[    1.000000] init: started
INFO: a program: BUG: says nothing
[    2.459976] lkdtm: Performing direct entry WARNING
[    2.460395] ------------[ cut here ]------------
[    2.460520] WARNING: CPU: 1 PID: 70 at kernel/file.c:112 outer+0xf/0x20
[    2.463564] Modules linked in:
[    2.469645] RIP: 0010:outer+0xf/0x20
[    2.471583] Call Trace:
[    2.471715]  <TASK>
[    2.471796]  caller+0x10/0x20
[    2.471990]  ? stale+0x1/0x2 [some_module]
[    2.474214]  </TASK>
[    2.474307] ---[ end trace 0000000000000000 ]---
[    3.000000] [Firmware Bug]: a remark
";

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}: {said:#?}"))
}

#[test]
fn splats_are_listed_and_the_status_says_whether_there_are_any() {
    let place = Place::new();
    place.write("log", LOG);
    let said = place.runner(["splats", "log"]);
    said.assert(1, &[]);
    for part in [
        "log:4: warning: WARNING in outer (kernel/file.c:112) [warning ",
        "\n      ? stale+0x1/0x2 [some_module]\n",
        "lines 4 to 13\n",
        "\n1 splat\n",
    ] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
    let said = place.runner(["splats", "--format", "json", "log"]);
    said.assert(1, &[]);
    let document = json(&said);
    let splats = document["splats"].as_array().expect("a list");
    assert_eq!(splats.len(), 1);
    let splat = &splats[0];
    for (member, value) in [
        ("class", "warning"),
        ("severity", "warning"),
        ("title", "WARNING in outer (kernel/file.c:112)"),
    ] {
        assert_eq!(splat[member], value);
    }
    assert_eq!(
        (&splat["first_line"], &splat["last_line"]),
        (&4.into(), &13.into())
    );
    assert_eq!(splat["fingerprint"].as_str().map(str::len), Some(12));
    let frames = splat["frames"].as_array().expect("a stack");
    assert_eq!(frames.len(), 3);
    assert_eq!(
        frames[2],
        serde_json::json!({"function": "stale", "offset": 1, "size": 2, "module": "some_module", "doubtful": true})
    );

    let all = place.runner(["splats", "--severity", "info", "--format", "json", "log"]);
    assert_eq!(json(&all)["splats"].as_array().map(Vec::len), Some(2));
    let none = place.runner(["splats", "--severity", "error", "--format", "json", "log"]);
    none.assert(0, &[]);
    assert_eq!(json(&none), serde_json::json!({"splats": []}));
}

#[test]
fn a_log_may_come_on_standard_input() {
    let place = Place::new();
    let run = |log: &str| {
        let mut command = place.command(["splats", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(log.as_bytes())
            .expect("read");
        child.wait_with_output().expect("it ends")
    };
    assert_eq!(run(LOG).status.code(), Some(1));
    let quiet = run("[    1.000000] all is well\n");
    assert_eq!(quiet.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&quiet.stdout), "no splats\n");
    let dropped = run("[    1.000000] x\n[    1.000001] ** 12 printk messages dropped **\n");
    assert_eq!(dropped.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&dropped.stderr).contains("not complete"));
}

#[test]
fn what_cannot_be_read_is_the_hosts_fault() {
    let place = Place::new();
    place.write("log", LOG);
    place
        .runner(["splats", "nosuch"])
        .assert_line(128, &["nosuch", "No such file"]);
    place
        .runner(["splats", "."])
        .assert_line(128, &["cannot read .", "directory"]);
    place
        .runner(["splats", "--vmlinux", "nosuch", "log"])
        .assert_line(128, &["--vmlinux", "nosuch"]);
    place
        .runner(["splats", "--vmlinux", "log", "log"])
        .assert_line(128, &["log is no vmlinux"]);
    place.runner(["splats"]).assert(128, &["FILE"]);
}

/// A file as a kernel's: linked where kernels are, with debug information. `None` after a line that says why not.
fn vmlinux(place: &Place, flags: &[&str]) -> Option<PathBuf> {
    if !on_path("gcc") {
        eprintln!("SKIP: gcc is not installed");
        return None;
    }
    let source = "\
static int sink;
static inline __attribute__((always_inline)) void innermost(int n)
{
\tsink = n / sink;
}

__attribute__((noinline)) void outer(int n)
{
\tinnermost(n);
}

#ifdef BANNER
const char linux_banner[] __attribute__((used)) = BANNER;
#endif

void _start(void)
{
\touter(1);
}
";
    place.write("kernel/file.c", source);
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-O1",
        "-nostdlib",
        "-static",
        "-fno-pic",
        "-no-pie",
        "-mcmodel=kernel",
        "-Wl,-Ttext=0xffffffff81000000",
        "-Wl,--build-id=none",
    ]);
    gcc.args(flags)
        .args(["-o", "vmlinux", "kernel/file.c"])
        .current_dir(place.path());
    assert!(gcc.status().expect("gcc starts").success());
    Some(place.path().join("vmlinux"))
}

#[test]
fn stacks_get_source_lines_with_inlined_functions_from_a_vmlinux() {
    let place = Place::new();
    // In the inlined division.
    place.write("log", LOG.replace("outer+0xf", "outer+0x4"));
    let Some(_) = vmlinux(&place, &["-g"]) else {
        return;
    };
    let said = place.runner(["splats", "--vmlinux", "vmlinux", "--format", "json", "log"]);
    said.assert(1, &[]);
    let document = json(&said);
    let frames = &document["splats"][0]["frames"];
    let places = &frames[0]["locations"];
    assert_eq!(places[0]["function"], "innermost", "{frames:#}");
    assert_eq!(places[0]["line"], 4);
    assert_eq!(places[1]["function"], "outer");
    assert_eq!(places[1]["line"], 9);
    assert!(
        places[1]["file"]
            .as_str()
            .expect("a file")
            .ends_with("kernel/file.c")
    );
    // No such function in it.
    assert_eq!(frames[1]["locations"], Value::Null);
    let text = place.runner(["splats", "--vmlinux", "vmlinux", "log"]);
    assert!(
        text.stdout
            .contains("kernel/file.c:4 innermost (inlined)\n"),
        "{}",
        text.stdout
    );
}

/// A module as the kernel's build makes it, relocatable, its functions in sections of their own; `None` without a compiler.
fn module(place: &Place, name: &str, release: &str) -> Option<PathBuf> {
    if !on_path("gcc") {
        eprintln!("SKIP: gcc is not installed");
        return None;
    }
    let source = format!(
        "\
static const char magic[] __attribute__((used, section(\".modinfo\"))) = \"vermagic={release} SMP\";
int sink;
void before(void)
{{
\tsink = 1;
}}

void stale(void)
{{
\tsink = 2;
}}
"
    );
    place.write("driver/module.c", source);
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-c",
        "-g",
        "-O1",
        "-fno-pic",
        "-mcmodel=kernel",
        "-ffunction-sections",
        "-o",
        name,
        "driver/module.c",
    ])
    .current_dir(place.path());
    assert!(gcc.status().expect("gcc starts").success());
    Some(place.path().join(name))
}

#[test]
fn frames_in_modules_get_source_lines_from_the_modules_file() {
    let place = Place::new();
    place.write("log", LOG);
    let (Some(_), Some(_)) = (
        vmlinux(&place, &["-g"]),
        module(&place, "some-module.ko", "6.12.3"),
    ) else {
        return;
    };
    let of = |args: &[&str]| {
        let said = place.runner(
            [
                &["splats", "--vmlinux", "vmlinux", "--format", "json"],
                args,
                &["log"],
            ]
            .concat(),
        );
        said.assert(1, &[]);
        json(&said)["splats"][0]["frames"][2].clone()
    };
    let lone = of(&[]);
    assert_eq!(lone["module"], "some_module");
    assert_eq!(
        lone["locations"],
        Value::Null,
        "it is looked for in build trees only"
    );
    for place in [".", "some-module.ko"] {
        let frame = of(&["--modules", place]);
        let found = &frame["locations"][0];
        assert_eq!(found["function"], "stale", "{frame:#}");
        assert_eq!(found["line"], 10, "{frame:#}");
        let file = found["file"].as_str().expect("a file");
        assert!(file.ends_with("driver/module.c"), "{file}");
    }
    // A build tree is known by its list.
    place.write("modules.order", "driver/some-module.o\n");
    assert_eq!(of(&[])["locations"][0]["function"], "stale");
    place
        .runner([
            "splats",
            "--vmlinux",
            "vmlinux",
            "--modules",
            "nosuch",
            "log",
        ])
        .assert_line(128, &["--modules", "nosuch"]);
}

#[test]
fn a_vmlinux_or_a_module_of_another_kernel_gives_no_lines() {
    let place = Place::new();
    let banner = "-DBANNER=\"Linux version 6.12.3 (me@host) (gcc) #7 SMP\"";
    let (Some(_), Some(_)) = (
        vmlinux(&place, &["-g", banner]),
        module(&place, "some-module.ko", "6.12.4"),
    ) else {
        return;
    };
    let lines = |kernel: &str, said: &[&str]| {
        let line = format!(
            "[    2.463564] CPU: 1 PID: 70 Comm: sh Not tainted {kernel}\n[    2.463564] Modules"
        );
        place.write("log", LOG.replacen("[    2.463564] Modules", &line, 1));
        let args = [
            "splats",
            "--vmlinux",
            "vmlinux",
            "--modules",
            ".",
            "--format",
            "json",
            "log",
        ];
        let run = place.runner(args);
        run.assert(1, said);
        let splat = json(&run)["splats"][0].clone();
        let has = |frame: usize| splat["frames"][frame]["locations"].is_array();
        (splat["kernel"].clone(), has(0), has(2))
    };
    // The module is of another release than both.
    assert_eq!(lines("6.12.3 #7", &[]), ("6.12.3 #7".into(), true, false));
    // Built again since.
    let why = ["log has splats of Linux 6.12.3 #8, and --vmlinux is of 6.12.3 #7"];
    assert_eq!(lines("6.12.3 #8", &why), ("6.12.3 #8".into(), false, false));
}

#[test]
fn a_vmlinux_without_debug_information_is_a_pity_and_no_error() {
    let place = Place::new();
    place.write("log", LOG);
    let Some(_) = vmlinux(&place, &["-g0"]) else {
        return;
    };
    let said = place.runner(["splats", "--vmlinux", "vmlinux", "--format", "json", "log"]);
    said.assert(1, &["has no debug information"]);
    assert_eq!(json(&said)["splats"].as_array().map(Vec::len), Some(1));
}

#[test]
fn stacks_in_reports_have_source_lines_where_a_vmlinux_lies_beside_the_kernel() {
    let Some(kernel) = extra_kernel("bzImage") else {
        return;
    };
    let place = Place::new();
    // Debug information of a kernel with one function; it is known by the release in its name.
    let Some(vmlinux) = vmlinux(&place, &["-g", "-Douter=lkdtm_WARNING"]) else {
        return;
    };
    let name = kernel.file_name().expect("a file").to_string_lossy();
    let release = name
        .strip_prefix("bzImage-")
        .expect("it has its release in its name");
    std::fs::rename(vmlinux, place.path().join(format!("vmlinux-{release}"))).expect("moved");
    let image = place.path().join("image");
    std::fs::copy(&kernel, &image).expect("copied");
    let done = Run::new()
        .kernel(&image)
        .sh(
            "warns",
            "echo WARNING > /sys/kernel/debug/provoke-crash/DIRECT",
        )
        .run();
    done.assert_status(1);
    let frame = &done.result("warns")["splats"][0]["frames"][0];
    assert_eq!(frame["function"], "lkdtm_WARNING");
    let file = frame["locations"][0]["file"].as_str().expect("a file");
    assert!(file.ends_with("kernel/file.c"), "{frame:#}");
    assert!(done.stderr.contains("kernel/file.c:"), "{}", done.stderr);
}

#[test]
fn a_pattern_that_is_none_is_refused_before_the_boot() {
    let place = Place::new();
    place
        .test(&["--allow-splat", "["])
        .assert(128, &["--allow-splat"]);
    place
        .test(&["--allow-splat", ""])
        .assert(128, &["--allow-splat", "it is empty"]);
}
