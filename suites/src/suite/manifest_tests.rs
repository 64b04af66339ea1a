use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Manifest, FileError> {
    Manifest::parse(Path::new("/srv/my tests/net.toml"), text)
}

#[test]
fn every_key_becomes_part_of_the_test() {
    let manifest = parse(
        "[[test]]\nname = \"ping\"\ncommand = \"./ping.sh --count '3 4'\"\n\n\
         [[test]]\nname = \"route add\"\ncommand = [\"ip\", \"route add\"]\ncwd = \"sub/dir\"\n\
         env = { LANG = \"C\", A = \"b=c\" }\ntimeout = 0\nparser = \"ktap\"\n\
         needs = [\"root\", \"config:CONFIG_INET\", \"program:ip\"]\n",
    )
    .expect("a manifest");
    let [ping, route] = &manifest.tests[..] else {
        panic!("{:?}", manifest.tests)
    };
    assert_eq!(ping.id.to_string(), "manifest:net:ping");
    let words = |words: &[&str]| Program::Exec(words.iter().map(Into::into).collect());
    assert_eq!(ping.program, words(&["./ping.sh", "--count", "3 4"]));
    assert_eq!(ping.cwd.as_deref(), Some(Path::new("/srv/my tests")));
    assert_eq!(ping.timeout, Some(Duration::from_secs(300)));
    assert_eq!(ping.format, OutputFormat::ExitStatus);
    assert_eq!(route.id.to_string(), "manifest:net:route add");
    assert_eq!(route.program, words(&["ip", "route add"]));
    assert_eq!(
        route.cwd.as_deref(),
        Some(Path::new("/srv/my tests/sub/dir"))
    );
    assert_eq!(
        route.env,
        [("A".into(), "b=c".into()), ("LANG".into(), "C".into())]
    );
    assert_eq!(
        (route.timeout, route.format),
        (None, OutputFormat::Kselftest)
    );
    assert_eq!(
        route.needs,
        [
            Need::Root,
            Need::Config("INET".into()),
            Need::Program("ip".into())
        ]
    );
}

#[test]
fn an_end_of_the_machine_may_be_meant() {
    let intended = |key: &str| {
        let text = format!("[[test]]\nname = \"x\"\ncommand = \"x\"\n{key}\n");
        parse(&text).map(|manifest| manifest.tests[0].intended)
    };
    for (key, meant) in [
        ("", None),
        ("intended = \"reboot\"", Some(Intended::Reboot)),
        ("intended = \"power-off\"", Some(Intended::PowerOff)),
        ("intended = \"panic\"", Some(Intended::Panic)),
        ("intended = \"kexec\"", Some(Intended::Kexec)),
    ] {
        assert_eq!(intended(key).expect(key), meant);
    }
    let error = intended("intended = \"crash\"").expect_err("no such end");
    assert!(format!("{error:?}").contains("power-off"), "{error:?}");
}

#[test]
fn what_the_kernel_may_and_must_report_is_a_list_of_globs() {
    let manifest = parse(
        "[[test]]\nname = \"a\"\ncommand = \"true\"\nsplats = { allow = [\"lockdep\"], expect = [\"WARNING in a*\"] }\n",
    );
    let policy = &manifest.expect("a manifest").tests[0].splats;
    assert!(policy.allows(&["lockdep"]) && !policy.allows(&["oops"]));
    let came = [["warning", "WARNING in abc", "0"]];
    assert_eq!(policy.missing(&came).count(), 0);
    assert_eq!(policy.missing(&[]).count(), 1);
}

#[test]
fn a_name_of_its_own_replaces_the_files() {
    let manifest = parse("name = \"network\"\n[[test]]\nname = \"a\"\ncommand = \"true\"\n");
    let manifest = manifest.expect("a manifest");
    assert_eq!(manifest.tests[0].id.to_string(), "manifest:network:a");
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_is_allowed() {
    let test = "[[test]]\nname = \"a\"\n";
    for (text, parts) in [
        (
            format!("{test}comand = \"x\"\n"),
            &["net.toml:3", "comand", "`command`", "`needs`"][..],
        ),
        (
            format!("{test}command = 3\n"),
            &["net.toml:3", "array of strings"],
        ),
        (
            format!("{test}command = \"\"\n"),
            &["net.toml:3", "no words"],
        ),
        (
            format!("{test}command = \"a 'b\"\n"),
            &["net.toml:3", "quote"],
        ),
        (
            format!("{test}command = [\"\"]\n"),
            &["net.toml:3", "empty"],
        ),
        (
            format!("{test}command = \"x\"\nparser = \"junit\"\n"),
            &[
                "net.toml:4",
                "junit",
                "`exit`",
                "`ktap`",
                "`tap`",
                "`json-lines`",
            ],
        ),
        (
            format!("{test}command = \"x\"\nneeds = [\"wings\"]\n"),
            &["net.toml:4", "wings", "program:NAME"],
        ),
        (
            format!("{test}command = \"x\"\ntimeout = -1\n"),
            &["net.toml:4"],
        ),
        (
            format!("{test}command = \"x\"\nsplats = {{ allow = [\"[\"] }}\n"),
            &["net.toml:4"],
        ),
        (
            format!("{test}command = \"x\"\nsplats = {{ except = [] }}\n"),
            &["net.toml:4", "except", "`expect`"],
        ),
        (
            format!("{test}command = \"x\"\ntimeout = 99999999999\n"),
            &["net.toml:4", "seconds"],
        ),
        (
            format!("{test}command = \"x\"\n[[test]]\nname = \"a\"\ncommand = \"y\"\n"),
            &["net.toml:5", "line 2", "called a"],
        ),
        (
            "[[test]]\nname = \" \"\ncommand = \"x\"\n".into(),
            &["net.toml:2", "not blank"],
        ),
        (
            format!("{test}command = \"x\"\nenv = {{ \"A=B\" = \"c\" }}\n"),
            &["net.toml:2", "A=B"],
        ),
        ("# nothing\n".into(), &["net.toml:1", "[[test]]"]),
        (test.to_owned(), &["net.toml:1", "command"]),
    ] {
        let error = parse(&text).expect_err(&text).to_string();
        for part in parts {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}

#[test]
fn manifests_of_one_name_are_told_apart_or_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
    };
    let test = "[[test]]\nname = \"a\"\ncommand = \"true\"\n";
    write("one/t.toml", test);
    write("two/t.toml", test);
    write("three/t.toml", &format!("name = \"three\"\n{test}"));
    let mut manifests = Manifests::default();
    let cwd = dir.path();
    for file in [
        "one/t.toml",
        "three/t.toml",
        "one/../one/t.toml",
        "one/t.toml",
    ] {
        manifests.get(Path::new(file), cwd).expect(file);
    }
    let error = manifests
        .get(Path::new("two/t.toml"), cwd)
        .expect_err("the name is taken");
    assert!(matches!(error, SuiteError::SameName { .. }), "{error}");
    let error = manifests
        .get(Path::new("no.toml"), cwd)
        .expect_err("no file");
    assert!(error.to_string().contains("no.toml"), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(
        text in "(\\[\\[test\\]\\]\n|name = \"|command = |'x'\n|timeout = 3\n|needs = \\[|\"|\\]|\\PC|\n){0,12}"
    ) {
        let _ = parse(&text);
    }
}
