//! The Linux Test Project, installed: `runtest/SCENARIO` names commands of `testcases/bin`.

use super::{Found, LTP, Places, SuiteError, bounded_text, entries};
use crate::{Need, OutputFormat, Program, Test, TestId, kselftest::Guest};
use serde::Deserialize;
use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where `make install` puts it.
const DIR: &str = "/opt/ltp";

/// Where an installed tree has its programs.
const BIN: &str = "testcases/bin";

const WAY_OUT: &str = "name an installed tree with --ltp DIR; it is built from \
    https://github.com/linux-test-project/ltp by: make autotools && ./configure --prefix=DIR && make && make install";

/// Limit of a command, beyond that which most have in their library.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// The path that a command finds programs by, behind the tree's own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The library makes a device out of a file where the user names none in this variable.
const DEVICE: &str = "LTP_DEV";

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
pub(super) fn find(places: &Places<'_>, guest: &Guest<'_>) -> Result<Found, SuiteError> {
    let given = places.cwd.join(places.ltp.unwrap_or(Path::new(DIR)));
    let missing = |path: PathBuf| SuiteError::NoTree {
        name: "installed LTP",
        path,
        way_out: WAY_OUT,
    };
    let dir = given.canonicalize().map_err(|_| missing(given.clone()))?;
    let scenarios = entries(&dir.join("runtest")).map_err(|_| missing(given))?;
    let bin = dir.join(BIN);
    if !bin.is_dir() {
        return Err(SuiteError::NotBuilt {
            name: "LTP",
            path: bin,
            way_out: format!(
                "in its source `make autotools && ./configure --prefix=DIR && make && make install` puts an installed tree in \
                 DIR, and --ltp DIR names that (now it names {})",
                dir.display()
            ),
        });
    }
    let metadata: Metadata = bounded_text(&dir.join("metadata/ltp.json"))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let has_device = guest.env.iter().any(|(name, _)| name == DEVICE);
    let mut programs = Programs::new(guest.root, &bin);
    let mut tests = Vec::new();
    for scenario in scenarios {
        let text = bounded_text(&dir.join("runtest").join(&scenario))?;
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        for (name, command) in text.lines().filter_map(entry) {
            let number = numbers.entry(name).or_default();
            *number += 1;
            let mut test = test_of(&dir, &scenario, name, command, places);
            if *number > 1 {
                test.id.case = format!("{name} #{number}");
            }
            let program = command.split_whitespace().next().unwrap_or_default();
            if !programs.has(program) {
                test.unavailable = Some(format!(
                    "there is no {program} in {}: LTP built it not at all or not wholly (make says why)",
                    bin.display()
                ));
            }
            let facts = metadata.tests.get(program);
            if !has_device && facts.is_some_and(Facts::wants_device) {
                test.needs.push(Need::Config("BLK_DEV_LOOP".into()));
            }
            tests.push(test);
        }
    }
    Ok(Found {
        tests,
        dirs: vec![dir],
    })
}

/// The programs that a command may begin with.
struct Programs<'a> {
    root: &'a Path,
    /// Those of LTP.
    bin: &'a Path,
    /// What was looked for, and whether it was found.
    known: HashMap<String, bool>,
}

impl<'a> Programs<'a> {
    fn new(root: &'a Path, bin: &'a Path) -> Self {
        Self {
            root,
            bin,
            known: HashMap::new(),
        }
    }

    /// Whether a shell would find it. What is no plain name is for the shell to say.
    fn has(&mut self, program: &str) -> bool {
        // `export A=1; x`: `export`, `cd` and the like are no files, and are in no release of LTP a program's name.
        const BUILT_IN: [&str; 8] = [
            "export", "cd", "ulimit", "exec", "umask", "set", "trap", "unset",
        ];
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.+".contains(&b);
        if !program.bytes().all(is_plain) || BUILT_IN.contains(&program) {
            return true;
        }
        if let Some(&has) = self.known.get(program) {
            return has;
        }
        let below = |dir: &str| self.root.join(&dir[1..]).join(program);
        let has =
            self.bin.join(program).is_file() || PATH.split(':').any(|dir| below(dir).is_file());
        self.known.insert(program.into(), has);
        has
    }
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

fn test_of(dir: &Path, scenario: &str, name: &str, command: &str, places: &Places<'_>) -> Test {
    let bin = dir.join(BIN);
    let mut path = bin.clone().into_os_string();
    path.push(":");
    path.push(PATH);
    // Its programs report on standard error.
    let script = format!("exec 2>&1\n{command}");
    let words = ["/bin/sh", "-c", &script].map(OsString::from);
    let factor = places.time_factor;
    let kconfig = places
        .kconfig
        .map(|path| ("KCONFIG_PATH".into(), path.into()));
    let env = [
        ("LTPROOT".into(), dir.into()),
        ("PATH".into(), path),
        ("TMPDIR".into(), "/tmp".into()),
        ("LTP_COLORIZE_OUTPUT".into(), "0".into()),
        ("LTP_TIMEOUT_MUL".into(), format!("{factor:.2}").into()),
    ];
    Test {
        cwd: Some(bin),
        env: env.into_iter().chain(kconfig).collect(),
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

    fn at_root() -> Guest<'static> {
        Guest {
            root: Path::new("/"),
            install_dir: None,
            env: &[],
        }
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for sub in ["runtest", "metadata", BIN] {
            fs::create_dir_all(dir.path().join(sub)).expect("a directory");
        }
        for program in ["accept01", "growfiles", "mkfs01"] {
            fs::write(dir.path().join(BIN).join(program), "").expect("a file");
        }
        let write =
            |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a file");
        write(
            "runtest/syscalls",
            "#DESCRIPTION:Kernel system calls\n\naccept01 accept01\n\tgf01 growfiles -W gf01 | cat \n\
             mkfs01 mkfs01 -f ext4\nlonely\nrw01 export X=1; cat\nrw01 true\nnew01 new01 -x\nodd01 $TOOL\n",
        );
        write(
            "metadata/ltp.json",
            "{\"tests\": {\"mkfs01\": {\"needs_device\": \"1\"}, \"accept01\": {\"needs_root\": true}}}",
        );
        dir
    }

    fn places(dir: &Path) -> Places<'_> {
        Places {
            ltp: Some(dir),
            time_factor: 8.0,
            ..Places::default()
        }
    }

    #[test]
    fn a_scenarios_lines_are_commands_for_a_shell() {
        let dir = tree();
        let found = find(&places(dir.path()), &at_root()).expect("tests");
        let ids: Vec<String> = found.tests.iter().map(|t| t.id.to_string()).collect();
        let names = [
            "accept01", "gf01", "mkfs01", "rw01", "rw01 #2", "new01", "odd01",
        ];
        assert_eq!(ids, names.map(|name| format!("ltp:syscalls:{name}")));
        let words = ["/bin/sh", "-c", "exec 2>&1\ngrowfiles -W gf01 | cat"];
        let words = words.map(OsString::from).to_vec();
        assert_eq!(found.tests[1].program, Program::Exec(words));
        let env = &found.tests[1].env;
        assert!(env.contains(&("LTP_TIMEOUT_MUL".into(), "8.00".into())));
        assert!(!env.iter().any(|(name, _)| name == "KCONFIG_PATH"));
    }

    #[test]
    fn what_is_known_of_the_machine_reaches_the_tests() {
        let dir = tree();
        let needs = |guest: &Guest<'_>| {
            let found = find(&places(dir.path()), guest).expect("tests");
            let needs = found.tests.into_iter().map(|t| t.needs);
            needs.collect::<Vec<_>>()
        };
        let wanted = needs(&at_root());
        assert_eq!(wanted[2], [Need::Config("BLK_DEV_LOOP".into())]);
        assert_eq!(wanted.iter().flatten().count(), 1);
        let env = [(DEVICE.into(), "/dev/vdb".into())];
        assert_eq!(
            needs(&Guest {
                env: &env,
                ..at_root()
            })
            .concat(),
            []
        );
        let places = Places {
            kconfig: Some(Path::new("/src/.config")),
            ..places(dir.path())
        };
        let found = find(&places, &at_root()).expect("tests");
        let kconfig = ("KCONFIG_PATH".into(), "/src/.config".into());
        assert!(found.tests.iter().all(|t| t.env.contains(&kconfig)));
    }

    #[test]
    fn a_program_that_was_not_built_is_not_the_kernels_fault() {
        let dir = tree();
        let found = find(&places(dir.path()), &at_root()).expect("tests");
        let unavailable = found
            .tests
            .iter()
            .filter_map(|t| Some((&t.id.case, t.unavailable.as_deref()?)));
        let unavailable: Vec<_> = unavailable.collect();
        assert_eq!(unavailable.len(), 1, "{unavailable:?}");
        assert_eq!(unavailable[0].0, "new01");
        assert!(
            unavailable[0].1.contains("there is no new01 in"),
            "{unavailable:?}"
        );
    }

    #[test]
    fn a_source_tree_is_told_from_none() {
        let dir = tree();
        fs::remove_dir_all(dir.path().join(BIN)).expect("removed");
        let error = find(&places(dir.path()), &at_root())
            .expect_err("a source tree")
            .to_string();
        for part in [BIN, "make install", "--ltp DIR"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn without_a_tree_the_option_is_named() {
        let places = places(Path::new("/no/such/tree"));
        let error = find(&places, &at_root()).expect_err("no tree").to_string();
        for part in ["/no/such/tree", "--ltp DIR", "https://"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
