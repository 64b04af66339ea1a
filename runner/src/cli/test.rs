//! `runner test`.

use super::{
    EXIT_STATUS, Failure,
    args::{
        SelectArgs, parse_env, parse_memory, parse_scale, parse_seconds, parse_share,
        parse_some_seconds,
    },
    cpus::CpuArgs,
};
use crate::{
    artifact::{RunDir, sealed_file},
    dispatch::{self, Cancel, Interrupt},
    error_chain,
    exit::{BootFailure, Exit},
    machine::{
        self, Accelerator, Engine, EngineChoice, MachineSpec, ShareSpec, Topology, Transport,
    },
    plan::{self, Boot, BootMethod, Selected},
    session::Settings,
};
use clap::builder::NonEmptyStringValueParser;
use reports::{Event, Reports, RunInfo, TerminalOptions};
use rustix::termios::isatty;
use std::{
    ffi::OsString,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Arguments of `runner test`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct TestArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Additional module to load before the tests; repeatable
    #[arg(long = "module", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    modules: Vec<String>,
    #[command(flatten)]
    cpus: CpuArgs,
    /// Guest memory: 512M, 2G
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_memory, allow_negative_numbers = true)]
    memory: u64,
    /// Time limit of every test, instead of its own (its settings file's, else 45 s for selftests, 300 s for commands); 0 for none
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    /// Time limit from start to the first test
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_some_seconds, allow_negative_numbers = true)]
    boot_timeout: Duration,
    /// Factor on every time limit [default: 1 with KVM, 8 under software emulation, more for sanitizer kernels]
    #[arg(long, value_name = "FACTOR", value_parser = parse_scale, allow_negative_numbers = true)]
    timeout_scale: Option<f64>,
    /// Where the results go.
    #[arg(
        long,
        short,
        value_name = "DIR",
        help = "Where the results go [default: runner-results/<UTC time>]"
    )]
    output: Option<PathBuf>,
    /// What builds the machine: our own KVM monitor, or QEMU; auto takes the former where KVM is healthy
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    /// Bus of the virtio devices [default: what the kernel's configuration has, PCI before MMIO]
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// What of a bzImage the machine loads: the kernel proper, unpacked on the host, or the bzImage itself
    #[arg(long, value_enum, default_value_t = BootMethod::Auto)]
    boot: BootMethod,
    /// Additions to the kernel command line; repeatable
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    append: Vec<String>,
    /// Host directory that becomes the guest's root, read-only
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Further host directory to show, read-only; repeatable
    #[arg(long = "share", value_name = "HOST=GUEST", value_parser = parse_share)]
    shares: Vec<(PathBuf, PathBuf)>,
    /// Environment of the tests: NAME=VALUE, or NAME for its value here; repeatable
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_env)]
    env: Vec<(OsString, OsString)>,
    /// Go on after a failure (the default)
    #[arg(long, overrides_with = "fail_fast")]
    keep_going: bool,
    /// Stop at the first test that is not good
    #[arg(long, overrides_with = "keep_going")]
    fail_fast: bool,
    /// What a kernel that does not boot means: bad (exit status 1) or skip (125)
    #[arg(long, value_enum, default_value_t = BootFailure::Bad)]
    boot_failure: BootFailure,
    /// Show the tests' output as it comes
    #[arg(long, short)]
    verbose: bool,
}

/// Bytes kept of each stream of a test.
const OUTPUT_LIMIT: u64 = 16 << 20;

/// What a test may leave in `$RUNNER_ARTIFACTS`.
const ARTIFACTS: wire::ArtifactLimits = wire::ArtifactLimits {
    files: 1000,
    bytes: 256 << 20,
};

/// Options of every 9P mount. The largest message the virtio transport takes (`net/9p/trans_virtio.c`), and a
/// cache that trusts itself: nothing in a share can change from the guest's side.
const MOUNT_OPTIONS: &str = "msize=512000,cache=loose,access=any";

/// Room for `--append` in a kernel command line of 2047 bytes (`COMMAND_LINE_SIZE`), beside our own options and those
/// that name memory-mapped devices.
const MAX_APPEND: usize = 1024;

/// Runs `runner test`.
pub fn run(args: &TestArgs) -> Result<Exit, Failure> {
    let cancel = Cancel::install().map_err(host("catch signals"))?;
    let cwd = std::env::current_dir().map_err(host("find the current directory"))?;
    let root = directory(&args.root, "--root")?;
    let shares = args
        .shares
        .iter()
        .map(|(from, to)| {
            can_hold_a_mount(&root, to)?;
            Ok((directory(from, "--share")?, to.clone()))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let appended: usize = args.append.iter().map(|words| words.len() + 1).sum();
    if appended > MAX_APPEND {
        return Err(Failure::host(format!(
            "--append holds {appended} bytes, and there is room for {MAX_APPEND}: the kernel takes no more than 2047 with what \
             it is given anyway"
        )));
    }

    let image = plan::boot_image(args.select.kernel.as_deref(), &cwd)?;
    let cpus = args.cpus.topology(args.memory).map_err(Failure::host)?;
    let engine = machine::choose(args.engine).map_err(|e| Failure::host(e.to_string()))?;
    let env = environment(&args.env, engine.accelerator());
    let cache = cache_dir();
    let unpack = match args.boot {
        BootMethod::Auto => engine.boots().unpacked,
        BootMethod::Bzimage => false,
        BootMethod::Vmlinux => true,
    };
    let boot = Boot::prepare(
        image,
        &args.modules,
        args.transport,
        engine.boots(),
        unpack,
        cache.as_deref(),
    )?;
    // Before anything is built or an earlier result makes way.
    let needed = boot.memory_needed();
    if args.memory < needed {
        return Err(Failure::host(format!(
            "--memory {}M is too little for this kernel and what goes with it: give it {needed}M or more",
            args.memory
        )));
    }
    let selected = plan::select(
        &args.select,
        &boot.image.path,
        &root,
        &env,
        &cwd,
        cache.as_deref(),
        &cancel,
    );
    let selected = match (selected, cancel.interrupt()) {
        (_, Some(Interrupt::Int)) => return Ok(Exit::Interrupted),
        (_, Some(Interrupt::Term)) => return Ok(Exit::Terminated),
        (selected, None) => selected?,
    };

    let now = OffsetDateTime::now_utc();
    let run_dir = match &args.output {
        Some(path) => RunDir::create_at(path),
        None => RunDir::create_default(&cwd, now),
    }
    .map_err(|e| Failure::host(error_chain(&e)))?;
    let (settings, info) = settle(
        args,
        engine.as_ref(),
        &boot,
        &selected,
        cpus,
        Place {
            root,
            shares,
            env,
            cwd,
        },
        &run_dir,
        &cancel,
        now,
    )?;
    let mut reports = Reports::create(run_dir.path(), terminal(args.verbose))
        .map_err(|e| Failure::host(error_chain(&e)))?;
    let advice = engine
        .advice()
        .map(|advice| format!("without KVM everything takes about ten times as long: {advice}"));
    let warnings = advice
        .into_iter()
        .chain(boot.warning)
        .chain(selected.warnings);
    let result = reports
        .emit(Event::RunStarted(info))
        .and_then(|()| {
            warnings
                .map(|text| Event::Warning { text })
                .try_for_each(|event| reports.emit(event))
        })
        .and_then(|()| {
            dispatch::run(
                engine.as_ref(),
                &settings,
                &selected.tests,
                &mut reports,
                &cancel,
                args.boot_failure,
            )
        });
    result.map_err(|error| {
        Failure::host(format!(
            "the run was stopped: {}",
            dispatch::host_words(&error)
        ))
    })
}

/// What the guest is shown, and how its tests start.
struct Place {
    root: PathBuf,
    shares: Vec<(PathBuf, PathBuf)>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
}

/// Puts together what every machine of the run gets, and what the reports say of it.
#[expect(
    clippy::too_many_arguments,
    reason = "the one place where everything comes together"
)]
fn settle(
    args: &TestArgs,
    engine: &dyn Engine,
    boot: &Boot,
    selected: &Selected,
    cpus: Topology,
    place: Place,
    run_dir: &RunDir,
    cancel: &Cancel,
    now: OffsetDateTime,
) -> Result<(Settings, RunInfo), Failure> {
    let scale = args
        .timeout_scale
        .unwrap_or_else(|| engine.accelerator().timeout_scale() * boot.slowness);
    let in_memory = host("keep the kernel in memory");
    let content = boot.loaded().content().map_err(&in_memory)?;
    let kernel = sealed_file("kernel", content).map_err(&in_memory)?;
    let initramfs = sealed_file("initramfs", boot.initramfs.as_slice()).map_err(&in_memory)?;

    let mut specs = vec![ShareSpec {
        tag: wire::ROOT_TAG.into(),
        path: place.root.clone(),
    }];
    let mut setup = wire::Setup {
        hostname: "runner".into(),
        mount_options: MOUNT_OPTIONS.into(),
        shares: Vec::new(),
    };
    for (i, (from, to)) in place.shares.iter().chain(&selected.shares).enumerate() {
        let tag = format!("runner.{i}");
        setup.shares.push(wire::Share {
            tag: tag.clone(),
            path: to.as_os_str().as_bytes().to_vec(),
        });
        specs.push(ShareSpec {
            tag,
            path: from.clone(),
        });
    }
    let runs_root_equal = selected
        .tests
        .iter()
        .any(|test| test.id.suite == "smoke" && test.id.case == "root-equal");
    let info = RunInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        started: now
            .format(&Rfc3339)
            .expect("a UTC time has an RFC 3339 form"),
        command: std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        kernel: boot.image.path.display().to_string(),
        release: boot.image.release.clone(),
        boot: boot.method().into(),
        engine: engine.name().into(),
        accelerator: engine.accelerator().as_str().into(),
        engine_reason: engine.reason().into(),
        cpus: cpus.count(),
        memory_mib: args.memory,
        timeout_scale: scale,
        tests: selected.tests.iter().map(|test| test.id.clone()).collect(),
    };
    let settings = Settings {
        spec: MachineSpec {
            kernel,
            initramfs,
            append: args.append.clone(),
            cpus,
            memory_mib: args.memory,
            transport: boot.transport,
            acpi: boot.acpi,
            shares: specs,
        },
        setup,
        env: place.env,
        cwd: if place.root == Path::new("/") {
            place.cwd
        } else {
            "/".into()
        },
        known_files: if runs_root_equal {
            plan::known_files(&place.root)
        } else {
            Vec::new()
        },
        scale,
        boot_timeout: args.boot_timeout.mul_f64(scale),
        timeout: args.timeout,
        output_limit: OUTPUT_LIMIT,
        artifacts: ARTIFACTS,
        fail_fast: args.fail_fast,
        run_dir: run_dir.path().into(),
        symbols: plan::names(boot.loaded()),
        cancel: cancel.fd().map_err(host("watch for signals"))?,
    };
    Ok((settings, info))
}

fn terminal(verbose: bool) -> TerminalOptions {
    let tty = isatty(io::stderr());
    let live = tty
        && std::env::var_os("CI").is_none()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let color = tty && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    TerminalOptions {
        color,
        live,
        verbose,
    }
}

/// The environment of every test: small and the same on every host; the user's additions win.
fn environment(
    user: &[(OsString, OsString)],
    accelerator: Accelerator,
) -> Vec<(OsString, OsString)> {
    // By which selftests know that they must not measure (`tools/testing/selftests/net/lib.sh` and others).
    let slow = [("KSFT_MACHINE_SLOW", "yes")].into_iter();
    let slow = slow.filter(|_| accelerator == Accelerator::Tcg);
    let base = [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/sh"),
        ("TERM", "dumb"),
        ("LANG", "C.UTF-8"),
    ];
    let kept = base
        .into_iter()
        .chain(slow)
        .filter(|(name, _)| !user.iter().any(|(other, _)| other == name));
    let mut env: Vec<(OsString, OsString)> = kept
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    env.extend_from_slice(user);
    env
}

/// Refuses a place for a share that could not be made, a file or something below one.
fn can_hold_a_mount(root: &Path, guest: &Path) -> Result<(), Failure> {
    let below = guest.strip_prefix("/").unwrap_or(guest);
    let in_the_way = below
        .ancestors()
        .map(|part| root.join(part))
        .find(|path| path.exists() && !path.is_dir());
    match in_the_way {
        None => Ok(()),
        Some(file) => Err(Failure::host(format!(
            "--share to {}: {} is not a directory; name another place",
            guest.display(),
            file.display()
        ))),
    }
}

/// A host directory named by the user, absolute and without links.
fn directory(path: &Path, option: &str) -> Result<PathBuf, Failure> {
    let full = path
        .canonicalize()
        .map_err(|e| Failure::host(format!("{option} {}: {e}", path.display())))?;
    if full.is_dir() {
        Ok(full)
    } else {
        Err(Failure::host(format!(
            "{option} {}: it is not a directory",
            path.display()
        )))
    }
}

/// Where things worth keeping between runs go, by the XDG base directory specification.
pub fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".cache")))
        .map(|base| base.join("runner"))
}

fn host(action: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::host(format!("cannot {action}: {error}"))
}

impl Settings {
    /// What a smoke check compares with.
    pub fn smoke_params(&self, check: &str) -> Vec<String> {
        match check {
            "cpus" => vec![format!("cpus={}", self.spec.cpus.count())],
            "memory" => vec![format!("memory_kib={}", self.spec.memory_mib * 1024)],
            "root-equal" => self
                .known_files
                .iter()
                .map(|file| format!("file={file}"))
                .collect(),
            _ => Vec::new(),
        }
    }
}
