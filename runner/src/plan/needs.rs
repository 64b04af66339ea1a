//! Whether what a test says it needs is there.

use super::About;
use std::{
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};
use suites::{Need, Program, Test};

/// Loads the module `$1`, then becomes the command behind it.
const LOAD_FIRST: &str = "modprobe -- \"$1\" || { echo \"1..0 # SKIP the module $1 cannot be loaded\"; exit 4; }; \
                          shift; exec \"$@\"";

/// Marks the tests that need what is not there as skipped, and has modules loaded before those that need them.
///
/// What cannot be known on the host is taken to be there.
pub fn resolve(tests: &mut [Test], about: &About<'_>, root: &Path, env: &[(OsString, OsString)]) {
    for test in tests.iter_mut().filter(|test| test.skip.is_none()) {
        let missing = test
            .needs
            .iter()
            .find_map(|need| missing(need, test, about, root, env));
        let modules: Vec<String> = test
            .needs
            .iter()
            .filter_map(|need| match need {
                Need::Module(name) if !is_builtin(name, about) => Some(name.clone()),
                _ => None,
            })
            .collect();
        if let Some(missing) = missing {
            test.skip = Some(missing);
        } else if let Program::Exec(words) = &mut test.program {
            for module in modules.iter().rev() {
                let before = ["/bin/sh", "-c", LOAD_FIRST, "sh", module];
                words.splice(0..0, before.map(OsString::from));
            }
        }
    }
}

fn is_builtin(module: &str, about: &About<'_>) -> bool {
    about.modules.and_then(|modules| modules.is_builtin(module)) == Some(true)
}

/// Why a need is not met; `None` where it is, or that cannot be known.
fn missing(
    need: &Need,
    test: &Test,
    about: &About<'_>,
    root: &Path,
    env: &[(OsString, OsString)],
) -> Option<String> {
    if let (Some(symbol), Some(config)) = (need.symbol(), about.config) {
        return (!config.is_on(symbol)).then(|| {
            format!(
                "it needs CONFIG_{symbol}, which this kernel does not have ({})",
                config.origin()
            )
        });
    }
    match need {
        Need::Program(name) => {
            let path = [&test.env[..], env].concat();
            let path = path.iter().find(|(name, _)| name == "PATH");
            let path = path.map_or(OsStr::new("/usr/bin:/bin"), |(_, path)| path);
            (!has_program(name, path, root)).then(|| {
                let package = suites::package_of(name);
                let package = package.map_or_else(String::new, |p| format!(" (Debian: {p})"));
                format!("it needs the program {name}, which is not on the root{package}")
            })
        }
        Need::Module(name) if !is_builtin(name, about) => {
            let index = about.modules?;
            let dir = Path::new("lib/modules").join(about.release?);
            (!index.has(name) || !root.join(&dir).is_dir()).then(|| {
                format!(
                    "it needs the module {name}, which is neither built in nor in /{} of the root",
                    dir.display()
                )
            })
        }
        _ => None,
    }
}

/// Whether a guest with that root finds a program.
fn has_program(name: &str, path: &OsStr, root: &Path) -> bool {
    let is_program = |path: &Path| {
        let below = path.strip_prefix("/").unwrap_or(path);
        let metadata = std::fs::metadata(root.join(below));
        metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    match name.contains('/') {
        true => is_program(Path::new(name)),
        false => std::env::split_paths(path).any(|directory| is_program(&directory.join(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::KernelConfig;
    use suites::{OutputFormat, TestId};

    fn resolved(need: &str, config: Option<&str>) -> Test {
        let root = tempfile::tempdir().expect("temporary directory");
        let bin = root.path().join("usr/bin");
        std::fs::create_dir_all(&bin).expect("made");
        for (name, mode) in [("tool", 0o755), ("data", 0o644)] {
            std::fs::write(bin.join(name), "").expect("written");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(bin.join(name), mode).expect("set");
        }
        let config = config.map(|text| KernelConfig::parse(text, "somewhere").expect("options"));
        let about = About {
            config: config.as_ref(),
            ..About::default()
        };
        let program = Program::Exec(vec!["true".into()]);
        let mut test = Test::new(TestId::new("exec", "true"), program, OutputFormat::Auto);
        test.needs = vec![need.parse().expect("a need")];
        let mut tests = [test];
        let env = [("PATH".into(), "/sbin:/usr/bin".into())];
        resolve(&mut tests, &about, root.path(), &env);
        let [test] = tests;
        test
    }

    #[test]
    fn what_is_missing_is_the_reason_of_a_skip() {
        let config = Some("CONFIG_A=m\n# CONFIG_NET_NS is not set\n");
        for (need, config, reason) in [
            ("root", config, None),
            ("config:CONFIG_A", config, None),
            ("config:CONFIG_B", config, Some("CONFIG_B")),
            ("network-namespace", config, Some("CONFIG_NET_NS")),
            ("config:CONFIG_B", None, None),
            ("program:tool", config, None),
            ("program:/usr/bin/tool", config, None),
            ("program:data", config, Some("data")),
            ("program:none", config, Some("none")),
        ] {
            let skip = resolved(need, config).skip;
            match reason {
                None => assert_eq!(skip, None, "{need}"),
                Some(part) => assert!(skip.is_some_and(|why| why.contains(part)), "{need}"),
            }
        }
    }

    #[test]
    fn a_module_is_loaded_before_the_command() {
        let test = resolved("module:loop", None);
        let Program::Exec(words) = test.program else {
            panic!("a command")
        };
        assert_eq!(words[0], "/bin/sh");
        assert_eq!(words[4..], ["loop", "true"]);
    }
}
