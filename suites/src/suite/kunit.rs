//! The kernel's unit tests: one test a suite, which the kernel ran while it booted, or when its module was loaded.
//!
//! A suite of KUnit that is built in runs before there is a root (`kunit_run_all_tests` in `init/main.c`), and nothing can start
//! it later: one that did not run has no directory in debugfs (`lib/kunit/debugfs.c`). So the machine is booted with KUnit
//! enabled, and the test reads what the suite left.

use super::{Found, KUNIT, Places, SuiteError};
use crate::{
    KunitModule, Need, OutputFormat, Program, Spec, Test, TestId, filter::Pattern, spec::Wanted,
};
use std::{collections::BTreeSet, ffi::OsString, path::PathBuf, time::Duration};

/// Limit of reading a result.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Limit of a module's suites, which run while it is loaded: that of one case (`lib/kunit/try-catch.c`).
const MODULE_TIMEOUT: Duration = Duration::from_secs(300);

/// Loads the modules `$3` and on, of which the last, `$2`, has the suite: anew, for it runs its suites when it is loaded. KUnit itself
/// is switched on, as by [`ENABLE`].
const LOAD: &str = r#"rmmod "$2" 2>/dev/null
suite=$1
shift 2
for file do
    module=${file##*/}
    module=$(printf %s "${module%%.ko*}" | tr - _)
    [ -d "/sys/module/$module" ] && continue
    option=
    [ "$module" = kunit ] && option=enable=1
    insmod "$file" $option || exit
done
set -- "$suite"
"#;

/// Turns KUnit on where `CONFIG_KUNIT_DEFAULT_ENABLED` does not (`lib/kunit/test.c`).
const ENABLE: &str = "kunit.enable=1";

/// Where suites leave their results.
const DEBUGFS: &str = "/sys/kernel/debug/kunit";

/// Prints what the suite `$1` left in debugfs (`$0`), else the part of the kernel log from its name to its result.
const RESULTS: &str = r#"cat "$0/$1/results" 2>/dev/null && exit
dmesg | sed -E 's/^\[ *[0-9.]+\](\[ *[CT][0-9]+\])? //' | awk -v name="$1" '
    !on && $0 == "    # Subtest: " name { on = 1; print "KTAP version 1"; print "1..1"; print "    KTAP version 1" }
    on && /^(not )?ok [0-9]+ / { sub(/ok [0-9]+ /, "ok 1 "); print; found = 1; exit }
    on { print }
    END { exit !found }' && exit
echo "the suite $1 did not run, or not to its end: neither $0 nor the kernel log has its result" >&2
exit 1"#;

/// The suites that fit, of one of which only some cases may be asked for.
pub(super) fn find(
    places: &Places<'_>,
    group: Option<&Pattern>,
    case: Option<&Pattern>,
) -> Result<Found, SuiteError> {
    let kunit = &places.kunit;
    if let Some(why) = kunit.lacks {
        return Err(SuiteError::NoKunit(why.into()));
    }
    let literal = group.and_then(Pattern::literal);
    let is_in_module = |name: &str| {
        let mut suites = kunit.modules.iter().flat_map(|module| &module.suites);
        suites.any(|suite| suite == name)
    };
    let names: Vec<&str> = match (kunit.suites, literal) {
        (Some(suites), _) => suites.iter().map(String::as_str).collect(),
        (None, Some(name)) if is_in_module(name) => Vec::new(),
        (None, Some(name)) => vec![name],
        (None, None) => return Err(SuiteError::KunitUnknown),
    };
    let mut tests: Vec<Test> = names.into_iter().map(|name| test_of(name, case)).collect();
    let mut dirs = BTreeSet::new();
    for module in kunit.modules {
        tests.extend(tests_of(module, case));
        let files = module.files.iter().flatten();
        dirs.extend(files.filter_map(|file| file.parent().map(PathBuf::from)));
    }
    Ok(Found {
        tests,
        dirs: dirs.into_iter().collect(),
    })
}

/// The tests of a module.
fn tests_of<'m>(
    module: &'m KunitModule,
    case: Option<&'m Pattern>,
) -> impl Iterator<Item = Test> + 'm {
    module.suites.iter().map(move |name| {
        let mut test = test_of(name, case);
        match &module.files {
            Ok(files) => {
                let script = format!("{LOAD}{RESULTS}");
                let words = ["/bin/sh", "-c", &script, DEBUGFS, name, &module.name];
                let files = files.iter().map(|file| file.clone().into_os_string());
                let words = words.map(OsString::from).into_iter().chain(files);
                test.program = Program::Exec(words.collect());
                test.timeout = Some(MODULE_TIMEOUT);
                test.needs = vec![Need::Program("insmod".into())];
            }
            Err(why) => test.unavailable = Some(why.clone()),
        }
        test
    })
}

fn test_of(name: &str, case: Option<&Pattern>) -> Test {
    let id = match case {
        None => TestId::new(KUNIT, name),
        Some(case) => TestId::grouped(KUNIT, name, case.as_str()),
    };
    let words = ["/bin/sh", "-c", RESULTS, DEBUGFS, name].map(OsString::from);
    let filter = match case {
        None => name.to_owned(),
        Some(case) => format!("{name}.{}", case.as_str()),
    };
    Test {
        timeout: Some(TIMEOUT),
        boot: vec![ENABLE.into(), format!("kunit.filter_glob={filter}")],
        ..Test::new(id, Program::Exec(words.into()), OutputFormat::Kunit)
    }
}

/// What a machine has to be booted with for the KUnit suites among these tests, which `specs` selected; nothing where there
/// are none.
///
/// The kernel takes one filter (`kunit.filter_glob`). One suite, or the cases of one spec, are filtered; else all suites run.
///
/// # Errors
/// [`SuiteError::KunitCases`] where cases would take more than one filter.
pub(crate) fn boot_options(specs: &[Spec], tests: &[Test]) -> Result<Vec<String>, SuiteError> {
    let suites: Vec<&Test> = tests.iter().filter(|test| test.id.suite == KUNIT).collect();
    let Some(first) = suites.first() else {
        return Ok(Vec::new());
    };
    let mut options = vec![ENABLE.to_owned()];
    if suites.iter().any(|test| test.id.group.is_some()) {
        let mut wanted = specs.iter().filter(|spec| spec.suite() == KUNIT);
        let (Some(spec), None) = (wanted.next(), wanted.next()) else {
            return Err(SuiteError::KunitCases);
        };
        let Wanted::Named { group, case, .. } = &spec.wanted else {
            return Err(SuiteError::KunitCases);
        };
        let text =
            |pattern: &Option<Pattern>| pattern.as_ref().map_or("*", Pattern::as_str).to_owned();
        let filter = format!("{}.{}", text(group), text(case));
        // What glob_match() of the kernel and globs here have in common (`lib/glob.c`); the command line splits at blanks.
        if filter.contains(['{', '}', '\\', ' ', '"']) {
            return Err(SuiteError::KunitCases);
        }
        options.push(format!("kunit.filter_glob={filter}"));
    } else if suites.len() == 1 {
        options.push(format!("kunit.filter_glob={}", first.id.case));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Kunit;

    fn options(specs: &[&str]) -> Result<Vec<String>, SuiteError> {
        let names = ["list", "hlist", "bits"].map(str::to_owned);
        let places = Places {
            kunit: Kunit {
                suites: Some(&names),
                ..Kunit::default()
            },
            ..Places::default()
        };
        let specs: Vec<Spec> = specs
            .iter()
            .map(|text| Spec::parse(text).expect("a valid spec"))
            .collect();
        let mut tests = Vec::new();
        for spec in &specs {
            if let Wanted::Named { group, case, .. } = &spec.wanted {
                let found = find(&places, group.as_ref(), case.as_ref())?;
                let asked = found.tests.into_iter();
                tests.extend(asked.filter(|test| spec.wanted.matches(&test.id)));
            }
        }
        boot_options(&specs, &tests)
    }

    #[test]
    fn the_kernel_gets_one_filter_where_one_will_do() {
        for (specs, expected) in [
            (&["smoke"][..], None),
            (&["kunit"], Some("")),
            (&["kunit:list"], Some(" kunit.filter_glob=list")),
            (&["kunit:*list"], Some("")),
            (&["kunit:bits:a*"], Some(" kunit.filter_glob=bits.a*")),
            (
                &["kunit:*list:a*", "smoke"],
                Some(" kunit.filter_glob=*list.a*"),
            ),
        ] {
            let expected = expected.map_or_else(String::new, |more| format!("{ENABLE}{more}"));
            assert_eq!(
                options(specs).expect("options").join(" "),
                expected,
                "{specs:?}"
            );
        }
        for specs in [
            &["kunit:bits:a*", "kunit:list"][..],
            &["kunit:{list,bits}:a*"],
        ] {
            let error = options(specs).expect_err("two filters");
            assert!(matches!(error, SuiteError::KunitCases), "{error}");
        }
    }

    #[test]
    fn a_kernel_without_them_or_without_their_names_is_told() {
        let without = Places {
            kunit: Kunit {
                lacks: Some("CONFIG_KUNIT is not set"),
                ..Kunit::default()
            },
            ..Places::default()
        };
        let error = find(&without, None, None).expect_err("none");
        assert!(error.to_string().contains("CONFIG_KUNIT") && !error.blames_host());
        let unknown = Places::default();
        assert!(matches!(
            find(&unknown, None, None),
            Err(SuiteError::KunitUnknown)
        ));
        let one = Pattern::new("example").expect("a glob");
        let found = find(&unknown, Some(&one), None).expect("a suite");
        assert_eq!(found.tests[0].id.to_string(), "kunit:example");
    }

    #[test]
    fn suites_of_modules_are_loaded_with_what_they_need() {
        let module = |name: &str, files: Result<Vec<PathBuf>, String>| KunitModule {
            name: name.to_owned(),
            suites: vec![format!("{name}_suite")],
            files,
        };
        let modules = [
            module(
                "time_test",
                Ok(["/m/kunit.ko", "/m/time_test.ko"].map(PathBuf::from).into()),
            ),
            module("lost_test", Err("module x is not there".into())),
        ];
        let places = Places {
            kunit: Kunit {
                modules: &modules,
                ..Kunit::default()
            },
            ..Places::default()
        };
        // Their names are known where those of the image are not.
        let one = Pattern::new("time_test_suite").expect("a glob");
        let found = find(&places, Some(&one), None).expect("tests");
        let ids: Vec<String> = found.tests.iter().map(|t| t.id.to_string()).collect();
        assert_eq!(ids, ["kunit:time_test_suite", "kunit:lost_test_suite"]);
        let Program::Exec(words) = &found.tests[0].program else {
            panic!("no command: {:?}", found.tests[0].program);
        };
        let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        let behind = [
            "time_test_suite",
            "time_test",
            "/m/kunit.ko",
            "/m/time_test.ko",
        ];
        assert_eq!(words[4..], behind);
        assert_eq!(
            found.tests[1].unavailable.as_deref(),
            Some("module x is not there")
        );
        assert_eq!(found.dirs, [PathBuf::from("/m")]);
    }
}
