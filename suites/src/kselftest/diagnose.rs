//! What a build's log says went wrong.

/// Most lines that are shown of a log.
const MAX_LINES: usize = 12;

/// Longest line that is shown, in characters.
const MAX_LINE: usize = 240;

/// Headers and libraries whose absence is common, with Debian's packages of them.
const PACKAGES: [(&str, &str); 25] = [
    ("sys/capability.h", "libcap-dev"),
    ("-lcap", "libcap-dev"),
    ("numa.h", "libnuma-dev"),
    ("-lnuma", "libnuma-dev"),
    ("libelf.h", "libelf-dev"),
    ("gelf.h", "libelf-dev"),
    ("-lelf", "libelf-dev"),
    ("cap-ng.h", "libcap-ng-dev"),
    ("-lcap-ng", "libcap-ng-dev"),
    ("popt.h", "libpopt-dev"),
    ("-lpopt", "libpopt-dev"),
    ("libmnl/libmnl.h", "libmnl-dev"),
    ("-lmnl", "libmnl-dev"),
    ("liburing.h", "liburing-dev"),
    ("-luring", "liburing-dev"),
    ("fuse.h", "libfuse-dev"),
    ("-lfuse", "libfuse-dev"),
    ("openssl/ssl.h", "libssl-dev"),
    ("openssl/evp.h", "libssl-dev"),
    ("-lcrypto", "libssl-dev"),
    ("alsa/asoundlib.h", "libasound2-dev"),
    ("libmount/libmount.h", "libmount-dev"),
    ("-lc", "libc6-dev"),
    ("stdio.h", "libc6-dev"),
    ("alsa", "libasound2-dev"),
];

/// Programs that collections need to build, with Debian's packages of them.
const PROGRAMS: [&str; 9] = [
    "clang",
    "llvm-strip",
    "llc",
    "python3",
    "flex",
    "bison",
    "rsync",
    "bc",
    "perl",
];

/// The causes in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Diagnosis {
    /// Lines that say what is wrong, each once, the first ones.
    pub errors: Vec<String>,
    /// Packages that would help, Debian's names.
    pub packages: Vec<&'static str>,
    /// File names of what the makes of collections could not make. (The outermost make only says that these failed.)
    pub targets: Vec<String>,
}

impl Diagnosis {
    /// Reads a log.
    pub fn of(log: &str) -> Self {
        let mut found = Self::default();
        let mut last_resort = Vec::new();
        for line in log.lines() {
            if let Some(target) = failed_target(line) {
                if line.starts_with("make[") {
                    push_new(&mut found.targets, target.to_owned());
                }
                push_new(&mut last_resort, shorten(line));
                continue;
            }
            if !is_error(line) {
                continue;
            }
            if found.errors.len() < MAX_LINES {
                push_new(&mut found.errors, shorten(line));
            }
            if let Some(package) = package(line) {
                push_new(&mut found.packages, package);
            }
        }
        if found.errors.is_empty() {
            last_resort.truncate(MAX_LINES);
            found.errors = last_resort;
        }
        found
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The file that `make[1]: *** [lib.mk:222: /path/to/FILE] Error 1` is about. (With `-i` and for `-` recipes such lines end
/// in `(ignored)` and lack the asterisks.)
fn failed_target(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(": *** [")?;
    let (inside, status) = rest.rsplit_once("] ")?;
    if !status.starts_with("Error")
        && !status.contains("Segmentation")
        && !status.contains("Killed")
    {
        return None;
    }
    let path = inside.rsplit(": ").next()?;
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

fn is_error(line: &str) -> bool {
    let marks = [
        " error: ",
        ": undefined reference to ",
        "cannot find -l",
        "*** ",
        ": not found",
        "collect2: error",
        "No rule to make target",
    ];
    let started_by_make = line.starts_with("make") && line.ends_with(": No such file or directory");
    (marks.iter().any(|m| line.contains(m)) || line.starts_with("rsync: ") || started_by_make)
        && !line.contains("collect2: error: ld returned")
        && !line.contains("not remade because of errors")
        && !line.contains("*** Waiting for unfinished jobs")
}

fn shorten(line: &str) -> String {
    line.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_LINE)
        .collect()
}

/// The package that has what a line says is missing.
fn package(line: &str) -> Option<&'static str> {
    let missing = if let Some((_, rest)) = line.split_once("fatal error: ") {
        rest.strip_suffix(": No such file or directory")?
    } else if let Some((_, rest)) = line.split_once("cannot find ") {
        rest.split([':', ' ']).next()?
    } else if let Some((_, rest)) = line.split_once("*** Package ") {
        rest.strip_suffix("  Stop.")
            .unwrap_or(rest)
            .split_once(" not found")?
            .0
    } else {
        let program = line
            .strip_suffix(": not found")
            .or_else(|| line.strip_suffix(": No such file or directory"))?
            .rsplit(": ")
            .next()?;
        return match PROGRAMS.iter().find(|known| **known == program)? {
            &"llvm-strip" | &"llc" => Some("llvm"),
            other => Some(other),
        };
    };
    PACKAGES
        .iter()
        .find(|(what, _)| *what == missing)
        .map(|(_, package)| *package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_missing_header_is_named_with_its_package_and_the_program_it_cost() {
        let log = "  CC       mq_perf_tests\n\
            mq_perf_tests.c:40:10: fatal error: popt.h: No such file or directory\n   40 | #include <popt.h>\n\
            compilation terminated.\n\
            make[1]: *** [../lib.mk:222: /c/out/kselftest/mqueue/mq_perf_tests] Error 1\n\
            /usr/bin/ld: cannot find -lpopt: No such file or directory\ncollect2: error: ld returned 1 exit status\n\
            make[1]: *** [../lib.mk:222: /c/out/kselftest/mqueue/mq_open_tests] Error 1\n\
            make[1]: Target 'all' not remade because of errors.\nmake: *** [Makefile:198: all] Error 2\n";
        let found = Diagnosis::of(log);
        assert_eq!(found.targets, ["mq_perf_tests", "mq_open_tests"]);
        assert_eq!(found.packages, ["libpopt-dev"]);
        assert_eq!(
            found.errors,
            [
                "mq_perf_tests.c:40:10: fatal error: popt.h: No such file or directory",
                "/usr/bin/ld: cannot find -lpopt: No such file or directory"
            ]
        );
    }

    #[test]
    fn missing_programs_and_pkg_config_packages_are_found() {
        let found = Diagnosis::of(
            "/bin/sh: 1: clang: not found\nmake[1]: clang: No such file or directory\n",
        );
        assert_eq!(found.packages, ["clang"]);
        let found = Diagnosis::of(
            "Makefile:4: *** Package alsa not found, please install alsa development package or add.  Stop.\n",
        );
        assert_eq!(found.packages, ["libasound2-dev"]);
        assert_eq!(found.errors.len(), 1);
    }

    #[test]
    fn a_log_without_known_marks_still_says_something() {
        let found = Diagnosis::of("odd\nmake: *** [Makefile:9: gen] Error 7\n");
        assert_eq!(found.errors, ["make: *** [Makefile:9: gen] Error 7"]);
    }

    #[test]
    fn long_logs_are_bounded() {
        let line = |n: usize| format!("f{n}.c:1:1: error: {}\n", "x".repeat(1000));
        let found = Diagnosis::of(&(0..1000).map(line).collect::<String>());
        assert_eq!(found.errors.len(), MAX_LINES);
        assert!(found.errors.iter().all(|e| e.chars().count() <= MAX_LINE));
    }

    proptest! {
        #[test]
        fn no_log_is_too_strange(log in "(make: \\*\\*\\* \\[|fatal error: |\\] Error|cannot find |: |/|\n|\\PC){0,30}") {
            Diagnosis::of(&log);
        }
    }
}
