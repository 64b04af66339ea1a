//! The user's own tests, described in TOML.
//!
//! `docs/manifest.md` says what each key means. Everything is checked here, with the line in every complaint.

use super::{MANIFEST, SuiteError};
use crate::{
    Intended, Need, OutputFormat, Program, SplatPolicy, Test, TestId,
    spec::stem,
    toml_file::{self, FileError},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};
use toml::Spanned;

/// Time limit of a test that says none, in seconds, as that of a command.
const TIMEOUT: u64 = 300;

/// Longest time limit, in seconds: a year.
const MAX_TIMEOUT: u64 = 31_536_000;

/// Longest name of a test, in bytes.
const MAX_NAME: usize = 200;

/// The tests of a manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Where it is, without links.
    pub path: PathBuf,
    /// Its directory, which the guest has to see.
    pub dir: PathBuf,
    /// What its tests are called by.
    pub name: String,
    /// In the order of the file.
    pub tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: Option<Spanned<String>>,
    #[serde(default)]
    test: Vec<RawTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTest {
    name: Spanned<String>,
    command: Spanned<Command>,
    cwd: Option<PathBuf>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    timeout: Option<Spanned<u64>>,
    #[serde(default)]
    parser: Parser,
    #[serde(default)]
    needs: Vec<Need>,
    intended: Option<Intended>,
    #[serde(default)]
    splats: Splats,
}

/// Globs over class, title or fingerprint.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Splats {
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    #[serde(default)]
    expect: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a command is a string or an array of strings")]
enum Command {
    Line(String),
    Words(Vec<String>),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Parser {
    #[default]
    Exit,
    Ktap,
    Tap,
    JsonLines,
}

impl Manifest {
    /// Reads the manifest at `file`, which is seen from `cwd`.
    pub fn read(file: &Path, cwd: &Path) -> Result<Self, FileError> {
        let given = cwd.join(file);
        let path = given
            .canonicalize()
            .map_err(|source| FileError::Unreadable {
                path: file.into(),
                source,
            })?;
        let text = toml_file::read(&path)?;
        Self::parse(&path, &text)
    }

    /// What the text of the manifest at `path`, an absolute path, says.
    fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        let complain = |at: usize, why: String| toml_file::at(path, text, at, why);
        let raw: RawManifest = toml_file::parse(path, text)?;
        let name = match &raw.name {
            Some(name) => {
                check_name(name.get_ref()).map_err(|why| complain(name.span().start, why))?;
                name.get_ref().clone()
            }
            None => stem(&path.to_string_lossy()).to_owned(),
        };
        let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
        if raw.test.is_empty() {
            let why = "it has no [[test]]: a test has a name and a command";
            return Err(complain(0, why.into()));
        }
        let mut tests = Vec::new();
        let mut seen = HashMap::new();
        for raw in raw.test {
            let at = raw.name.span().start;
            check_name(raw.name.get_ref()).map_err(|why| complain(at, why))?;
            let line = toml_file::line_of(text, at);
            if let Some(first) = seen.insert(raw.name.get_ref().clone(), line) {
                let why = format!(
                    "a test of line {first} is called {} as well",
                    raw.name.get_ref()
                );
                return Err(complain(at, why));
            }
            let words = words(raw.command.get_ref())
                .map_err(|why| complain(raw.command.span().start, why.into()))?;
            let timeout = raw
                .timeout
                .as_ref()
                .map_or(TIMEOUT, |limit| *limit.get_ref());
            if timeout > MAX_TIMEOUT {
                let at = raw.timeout.map_or(at, |limit| limit.span().start);
                let why = format!("timeout is in seconds, 0 for none, at most {MAX_TIMEOUT}");
                return Err(complain(at, why));
            }
            if let Some(wrong) = raw
                .env
                .keys()
                .find(|k| k.is_empty() || k.contains(['=', '\0']))
            {
                return Err(complain(
                    at,
                    format!("\"{wrong}\" is no name of a variable"),
                ));
            }
            let splats = SplatPolicy {
                allow: toml_file::patterns(path, text, &raw.splats.allow)?,
                expect: toml_file::patterns(path, text, &raw.splats.expect)?,
            };
            let env = raw.env.into_iter().map(|(k, v)| (k.into(), v.into()));
            tests.push(Test {
                cwd: Some(raw.cwd.map_or_else(|| dir.clone(), |below| dir.join(below))),
                env: env.collect::<Vec<(OsString, OsString)>>(),
                timeout: (timeout > 0).then(|| Duration::from_secs(timeout)),
                needs: raw.needs,
                intended: raw.intended,
                splats,
                ..Test::new(
                    TestId::grouped(MANIFEST, &name, raw.name.get_ref()),
                    Program::Exec(words),
                    match raw.parser {
                        Parser::Exit => OutputFormat::ExitStatus,
                        Parser::Ktap | Parser::Tap => OutputFormat::Kselftest,
                        Parser::JsonLines => OutputFormat::JsonLines,
                    },
                )
            });
        }
        Ok(Self {
            path: path.into(),
            dir,
            name,
            tests,
        })
    }
}

/// The manifests of a selection, each read once.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    by_file: HashMap<PathBuf, usize>,
    read: Vec<Manifest>,
}

impl Manifests {
    /// The manifest that an argument names.
    pub fn get(&mut self, file: &Path, cwd: &Path) -> Result<&Manifest, SuiteError> {
        let index = match self.by_file.get(file) {
            Some(index) => *index,
            None => {
                let manifest = Manifest::read(file, cwd)?;
                let same = |other: &&Manifest| other.name == manifest.name;
                if let Some(other) = self.read.iter().find(same)
                    && other.path != manifest.path
                {
                    return Err(SuiteError::SameName {
                        name: manifest.name,
                        first: other.path.clone(),
                        second: manifest.path,
                    });
                }
                self.read.push(manifest);
                self.by_file.insert(file.into(), self.read.len() - 1);
                self.read.len() - 1
            }
        };
        Ok(&self.read[index])
    }

    /// The directories that the guest has to see.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.read.iter().map(|manifest| manifest.dir.as_path())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.chars().any(char::is_control) || name.len() > MAX_NAME {
        return Err(format!(
            "a name is one line of 1 to {MAX_NAME} bytes that is not blank"
        ));
    }
    Ok(())
}

fn words(command: &Command) -> Result<Vec<OsString>, &'static str> {
    let words = match command {
        Command::Line(line) => {
            shell_words::split(line).map_err(|_| "a quote is opened and never closed")?
        }
        Command::Words(words) => words.clone(),
    };
    match words.first() {
        None => Err("the command has no words"),
        Some(first) if first.is_empty() => Err("the command's first word, its program, is empty"),
        Some(_) if words.iter().any(|word| word.contains('\0')) => {
            Err("a word of a command cannot hold a zero byte")
        }
        Some(_) => Ok(words.into_iter().map(OsString::from).collect()),
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
