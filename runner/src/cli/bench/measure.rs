//! One machine after the other, measured.

use super::args::{CommonArgs, Format};
use crate::{
    artifact::{RunDir, Scratch},
    cli::{
        Failure,
        machine::{Machinery, Rules, base_environment, host},
    },
    dispatch::{self, Cancel},
    error_chain,
    exit::{Exit, of_command},
    session::{Measured, PassOn, Settings},
};
use reports::{Event, Reports, Show, TerminalOptions};
use serde::Serialize;
use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};
use suites::Test;
use time::OffsetDateTime;

/// Most bytes of what a command prints that are looked at.
const OUTPUT: u64 = 4096;

/// What it takes to run measured machines.
pub struct Bench<'a> {
    /// The kernel and the engine.
    pub machinery: Machinery<'a>,
    format: Format,
    cancel: Cancel,
    /// Where the command stands.
    pub cwd: PathBuf,
    reports: Reports,
    run_dir: RunDir,
    /// Removed at the end.
    _scratch: Scratch,
}

/// Which machine was measured.
#[derive(Debug, Serialize)]
pub struct Subject {
    kernel: String,
    release: String,
    boot: String,
    engine: String,
    accelerator: String,
    cpus: u32,
    memory_mib: u64,
}

/// What a command of a measured machine did.
pub enum Done {
    /// What was measured, and what the command printed.
    Measured(Box<Measured>, String),
    /// The run is given up.
    Interrupted(Exit),
}

impl<'a> Bench<'a> {
    /// Looks at everything that the machines take.
    ///
    /// # Errors
    /// What is wrong with the command line, the host or the kernel.
    pub fn prepare(args: &'a CommonArgs) -> Result<Self, Failure> {
        let cancel = Cancel::install().map_err(host("catch signals"))?;
        let cwd = std::env::current_dir().map_err(host("find the current directory"))?;
        let machinery = args
            .machine
            .prepare(args.kernel.as_deref(), &cwd, &base_environment())?;
        let failure = |e: &dyn std::error::Error| Failure::host(error_chain(e));
        let scratch = Scratch::new().map_err(host("make a temporary directory"))?;
        let run_dir = RunDir::create_at(scratch.path()).map_err(|e| failure(&e))?;
        let quiet = TerminalOptions {
            show: Show::Nothing,
            ..TerminalOptions::default()
        };
        let mut reports = Reports::create(run_dir.path(), quiet).map_err(|e| failure(&e))?;
        reports
            .emit(Event::RunStarted(
                machinery.info(&[], OffsetDateTime::now_utc()),
            ))
            .map_err(|e| failure(&e))?;
        for warning in machinery.warnings() {
            eprintln!("runner: {warning}");
        }
        Ok(Self {
            machinery,
            format: args.format,
            cancel,
            cwd,
            reports,
            run_dir,
            _scratch: scratch,
        })
    }

    /// What the machines of `test` get; `share` is a directory of the host and its place in the guest.
    ///
    /// # Errors
    /// When the host has no memory or descriptors for it.
    pub fn settings(
        &self,
        test: &Test,
        share: Option<(&Path, &Path)>,
    ) -> Result<Settings, Failure> {
        let rules = Rules {
            timeout: None,
            output_limit: OUTPUT,
            output_kept: 0,
            passed_on: None,
            allowed_splats: vec![],
        };
        let shares: Vec<_> = share
            .into_iter()
            .map(|(host, guest)| (host.into(), guest.into()))
            .collect();
        let settings = self.machinery.settings(
            std::slice::from_ref(test),
            &shares,
            &self.cwd,
            rules,
            &self.run_dir,
            &self.cancel,
        )?;
        Ok(Settings {
            measured: true,
            ..settings
        })
    }

    /// Runs `test` on a machine of its own, to its good end.
    ///
    /// # Errors
    /// When it was not good: figures of anything else would mean nothing.
    pub fn measure(&mut self, settings: &mut Settings, test: &Test) -> Result<Done, Failure> {
        let mut output = tempfile::tempfile().map_err(host("make a temporary file"))?;
        settings.passed_on =
            Some(PassOn::to_file(&output).map_err(host("duplicate a descriptor"))?);
        let engine = self.machinery.engine.as_ref();
        let (end, measured) =
            dispatch::measure_command(engine, settings, test, &mut self.reports, &self.cancel);
        if let dispatch::CommandEnd::Interrupted(interrupt) = end {
            return Ok(Done::Interrupted(interrupt.into()));
        }
        let printed = text(&mut output).map_err(host("read a temporary file"))?;
        match (of_command(&end), measured) {
            ((0, _), Some(measured)) => Ok(Done::Measured(Box::new(measured), printed)),
            ((_, why), _) => Err(Failure::host(format!(
                "a machine that was to be measured did not do its work: {why}; {}",
                printed.trim()
            ))),
        }
    }

    /// Which machine it is.
    pub fn subject(&self) -> Subject {
        let info = self.machinery.info(&[], OffsetDateTime::now_utc());
        Subject {
            kernel: info.kernel,
            release: info.release,
            boot: info.boot,
            engine: info.engine,
            accelerator: info.accelerator,
            cpus: info.cpus,
            memory_mib: info.memory_mib,
        }
    }

    /// Prints the result: `document` as JSON, or else the text that `tables` makes of it.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn print<T: Serialize>(
        &self,
        document: &T,
        tables: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Text => tables(document),
            Format::Json => {
                let json = serde_json::to_string_pretty(document);
                json.expect("plain data has a JSON form") + "\n"
            }
        };
        std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(host("write to standard output"))
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kernel,
            release,
            boot,
            engine,
            accelerator,
            cpus,
            memory_mib,
        } = self;
        write!(
            f,
            "{kernel} ({release}; {boot}), {engine} ({accelerator}), {cpus} CPU{}, {memory_mib} MiB",
            if *cpus == 1 { "" } else { "s" }
        )
    }
}

fn text(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
impl Subject {
    /// Some machine.
    pub fn for_tests() -> Self {
        Self {
            kernel: "/boot/vmlinuz".into(),
            release: "6.1".into(),
            boot: "bzImage".into(),
            engine: "kvm".into(),
            accelerator: "kvm".into(),
            cpus: 1,
            memory_mib: 256,
        }
    }
}
