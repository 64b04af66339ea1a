//! Starting the command.

use super::{Finished, Processes, kernel, shared_dir};
use serde_json::Value;
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A run that takes longer than this hangs, however slow the machine.
const AT_MOST: Duration = Duration::from_secs(900);

/// A run of `runner test` to be.
pub struct Run {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
}

impl Run {
    /// `runner test --output DIR`, without a kernel.
    pub fn new() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            cwd: None,
        }
    }

    /// A run on [`kernel`], or `None` after a line that says why there is none.
    pub fn on_kernel() -> Option<Self> {
        Some(Self::new().kernel(&kernel()?))
    }

    /// `--kernel`.
    pub fn kernel(self, path: &Path) -> Self {
        self.arg("--kernel").arg(path)
    }

    /// `--suite`; repeatable.
    pub fn suite(self, spec: &str) -> Self {
        self.arg("--suite").arg(spec)
    }

    /// A test that runs `script` in a shell; `name` finds it again ([`Finished::result`]).
    pub fn sh(self, name: &str, script: &str) -> Self {
        let words = ["sh", "-c", script, name];
        self.suite(&format!("exec:{}", shell_words::join(words)))
    }

    /// Any other argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    /// Several arguments.
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// A variable of the command's environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    /// The directory to stand in.
    pub fn cwd(mut self, directory: &Path) -> Self {
        self.cwd = Some(directory.into());
        self
    }

    /// Starts it, to be watched or disturbed.
    pub fn start(self) -> Started {
        let dir = tempfile::tempdir().expect("temporary directory");
        let out = dir.path().join("out");
        let tmp = dir.path().join("tmp");
        fs::create_dir(&tmp).expect("made");
        let log = |name: &str| File::create(dir.path().join(name)).expect("made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .arg("test")
            .arg("--output")
            .arg(&out)
            .args(&self.arguments);
        command
            .env("XDG_CACHE_HOME", shared_dir().join("cache"))
            .env("TMPDIR", &tmp)
            .env("CI", "1")
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(log("stdout"))
            .stderr(log("stderr"));
        if let Some(cwd) = self.cwd {
            command.current_dir(cwd);
        }
        let child = command.spawn().expect("the command starts");
        Started {
            processes: Processes::with_tmpdir(&tmp),
            child,
            dir,
        }
    }

    /// Runs it to its end and checks what every run must leave: [`Finished::check`].
    pub fn run(self) -> Finished {
        self.start().finish()
    }
}

/// A run on its way.
pub struct Started {
    /// The command, QEMU, and whatever else it started.
    pub processes: Processes,
    child: Child,
    dir: TempDir,
}

impl Started {
    /// The command's process.
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Sends a signal to the command.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("the command is there");
    }

    /// A file of the output directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("events.jsonl")).unwrap_or_default();
        // The last line may be on its way.
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits until `condition` holds.
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + AT_MOST;
        while !condition(self) {
            let ended = self.child.try_wait().expect("waited");
            assert!(
                ended.is_none(),
                "it ended before {what}:\n{}",
                self.text("stderr")
            );
            assert!(Instant::now() < deadline, "it hangs before {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until some test has written `text` to its standard output.
    pub fn wait_for_output(&mut self, text: &str) {
        self.wait_until(&format!("a test wrote {text}"), |run| {
            let tests = fs::read_dir(run.path("tests/exec"));
            let has_written = |entry: fs::DirEntry| {
                let stdout = fs::read(entry.path().join("stdout")).unwrap_or_default();
                String::from_utf8_lossy(&stdout).contains(text)
            };
            tests.is_ok_and(|tests| tests.flatten().any(has_written))
        });
    }

    fn text(&self, name: &str) -> String {
        let bytes = fs::read(self.dir.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for its end and checks what every run must leave.
    pub fn finish(self) -> Finished {
        let finished = self.end();
        finished.check();
        finished
    }

    /// Waits for its end; checks that no process and no temporary file is left, and nothing else.
    pub fn end(mut self) -> Finished {
        let deadline = Instant::now() + AT_MOST;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                break status;
            }
            if Instant::now() >= deadline {
                self.child.kill().expect("killed");
                panic!("the command hangs:\n{}", self.text("stderr"));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        self.processes.assert_gone();
        let left = super::names(&self.dir.path().join("tmp"));
        assert!(left.is_empty(), "temporary files are left: {left:?}");
        Finished::read(status, self.text("stdout"), self.text("stderr"), self.dir)
    }
}
