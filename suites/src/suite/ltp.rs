//! The Linux Test Project, installed: `runtest/SCENARIO` names commands of `testcases/bin`.

use super::{Found, LTP, Places, SuiteError, bounded_text, entries};
use crate::{OutputFormat, Program, Test, TestId};
use serde::Deserialize;
use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where `make install` puts it.
const DIR: &str = "/opt/ltp";

const WAY_OUT: &str = "name an installed tree with --ltp DIR; it is built from \
    https://github.com/linux-test-project/ltp by: make autotools && ./configure --prefix=DIR && make && make install";

/// Limit of a command, beyond that which most have in their library.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// The path that a command finds programs by, behind the tree's own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What `metadata/ltp.json` says of the programs.
#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    tests: HashMap<String, Facts>,
}

#[derive(Deserialize)]
struct Facts {
    /// A block device that the test may write over, in the forms of all releases.
    #[serde(default)]
    needs_device: Option<serde_json::Value>,
    #[serde(default)]
    format_device: Option<serde_json::Value>,
    #[serde(default)]
    mount_device: Option<serde_json::Value>,
}

impl Facts {
    fn wants_device(&self) -> bool {
        let asked = [&self.needs_device, &self.format_device, &self.mount_device];
        asked.into_iter().flatten().any(|value| match value {
            serde_json::Value::Null | serde_json::Value::Bool(false) => false,
            serde_json::Value::Number(number) => number.as_u64() != Some(0),
            serde_json::Value::String(text) => text != "0",
            _ => true,
        })
    }
}

/// All its commands.
pub(super) fn find(places: &Places<'_>) -> Result<Found, SuiteError> {
    let given = places.cwd.join(places.ltp.unwrap_or(Path::new(DIR)));
    let missing = |path: PathBuf| SuiteError::NoTree {
        name: "installed LTP",
        path,
        way_out: WAY_OUT,
    };
    let dir = given.canonicalize().map_err(|_| missing(given.clone()))?;
    let scenarios = entries(&dir.join("runtest")).map_err(|_| missing(given))?;
    let metadata: Metadata = bounded_text(&dir.join("metadata/ltp.json"))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let mut tests = Vec::new();
    for scenario in scenarios {
        let text = bounded_text(&dir.join("runtest").join(&scenario))?;
        for (name, command) in text.lines().filter_map(entry) {
            let mut test = test_of(&dir, &scenario, name, command, places.time_factor);
            let program = command.split_whitespace().next().unwrap_or_default();
            let facts = metadata.tests.get(program);
            if facts.is_some_and(Facts::wants_device) {
                test.skip = Some(
                    "it needs a block device to write over, and machines have none yet".into(),
                );
            }
            tests.push(test);
        }
    }
    Ok(Found {
        tests,
        dirs: vec![dir],
    })
}

/// A line of a scenario: a name and a command for a shell.
fn entry(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with('#') || line.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    let (name, command) = line.split_once(char::is_whitespace)?;
    Some((name, command.trim()))
}

fn test_of(dir: &Path, scenario: &str, name: &str, command: &str, factor: f64) -> Test {
    let bin = dir.join("testcases/bin");
    let mut path = bin.clone().into_os_string();
    path.push(":");
    path.push(PATH);
    // Its programs report on standard error.
    let script = format!("exec 2>&1\n{command}");
    let words = ["/bin/sh", "-c", &script].map(OsString::from);
    Test {
        cwd: Some(bin),
        env: vec![
            ("LTPROOT".into(), dir.into()),
            ("PATH".into(), path),
            ("TMPDIR".into(), "/tmp".into()),
            ("LTP_COLORIZE_OUTPUT".into(), "0".into()),
            ("LTP_TIMEOUT_MUL".into(), format!("{factor:.2}").into()),
        ],
        timeout: Some(TIMEOUT),
        ..Test::new(
            TestId::grouped(LTP, scenario, name),
            Program::Exec(words.into()),
            OutputFormat::Ltp,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_scenarios_lines_are_commands_for_a_shell() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("runtest")).expect("a directory");
        fs::create_dir_all(dir.path().join("metadata")).expect("a directory");
        let write =
            |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a file");
        write(
            "runtest/syscalls",
            "#DESCRIPTION:Kernel system calls\n\naccept01 accept01\n\tgf01 growfiles -W gf01 | cat \nmkfs01 mkfs01 -f ext4\nlonely\n",
        );
        write(
            "metadata/ltp.json",
            "{\"tests\": {\"mkfs01\": {\"needs_device\": \"1\"}, \"accept01\": {\"needs_root\": true}}}",
        );
        let places = Places {
            ltp: Some(dir.path()),
            time_factor: 8.0,
            ..Places::default()
        };
        let found = find(&places).expect("tests");
        let ids: Vec<String> = found.tests.iter().map(|t| t.id.to_string()).collect();
        assert_eq!(
            ids,
            [
                "ltp:syscalls:accept01",
                "ltp:syscalls:gf01",
                "ltp:syscalls:mkfs01"
            ]
        );
        let words = ["/bin/sh", "-c", "exec 2>&1\ngrowfiles -W gf01 | cat"];
        let words = words.map(OsString::from).to_vec();
        assert_eq!(found.tests[1].program, Program::Exec(words));
        let env = &found.tests[1].env;
        assert!(env.contains(&("LTP_TIMEOUT_MUL".into(), "8.00".into())));
        assert_eq!(found.tests[0].skip, None);
        let why = found.tests[2].skip.as_deref().unwrap_or_default();
        assert!(why.contains("block device"), "{why}");
    }

    #[test]
    fn without_a_tree_the_option_is_named() {
        let places = Places {
            ltp: Some(Path::new("/no/such/tree")),
            ..Places::default()
        };
        let error = find(&places).expect_err("no tree").to_string();
        for part in ["/no/such/tree", "--ltp DIR", "https://"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
