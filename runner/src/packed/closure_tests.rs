use super::*;
use suites::{OutputFormat, TestId};

fn test(words: &[&str], cwd: Option<&Path>) -> Test {
    let id = TestId::new("exec", &words.join(" "));
    let program = Program::Exec(words.iter().map(Into::into).collect());
    Test {
        cwd: cwd.map(Into::into),
        ..Test::new(id, program, OutputFormat::ExitStatus)
    }
}

/// What `test` needs of this system.
fn of(test: Test, cwd: &Path) -> Closure {
    let env = [("PATH".into(), "/usr/bin:/bin".into())];
    let wanted = Wanted {
        root: Path::new("/"),
        shares: &[],
        env: &env,
        cwd,
        files: &[],
    };
    Closure::of(&[test], &wanted).expect("readable")
}

/// Whether a path is packed, itself or what links on the way lead to.
fn has(closure: &Closure, path: &str) -> bool {
    let real = Path::new(path).canonicalize().expect("it is there");
    closure.tree.entries.contains_key(&real)
}

#[test]
fn a_program_comes_with_its_interpreter_and_libraries() {
    let closure = of(test(&["cat", "/etc/fstab"], None), Path::new("/"));
    for path in ["/usr/bin/cat", "/lib64/ld-linux-x86-64.so.2", "/etc/passwd"] {
        assert!(has(&closure, path), "{path}");
    }
    let names: Vec<String> = closure
        .tree
        .entries
        .keys()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    assert!(names.iter().any(|name| name == "libc.so.6"), "{names:?}");
    assert!(closure.warnings.is_empty(), "{:?}", closure.warnings);
}

#[test]
fn a_script_comes_with_its_interpreter_and_what_it_calls() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    std::fs::write(
        at("test.sh"),
        "#!/bin/bash\n# not perl\n. ./lib.sh\ndata=table.txt\nnl \"$data\"\n",
    )
    .expect("written");
    std::fs::write(at("lib.sh"), "factor 6\n").expect("written");
    std::fs::write(at("table.txt"), "1\n").expect("written");
    std::fs::write(at("unnamed"), "1\n").expect("written");
    let closure = of(test(&["./test.sh"], None), dir.path());
    for path in [
        "/bin/bash",
        "/usr/bin/nl",
        "/usr/bin/factor",
        "/usr/bin/grep",
    ] {
        assert!(has(&closure, path), "{path}");
    }
    for name in ["test.sh", "lib.sh", "table.txt"] {
        assert!(has(&closure, at(name).to_str().expect("UTF-8")), "{name}");
    }
    assert!(!closure.tree.entries.contains_key(&at("unnamed")));
    // Standing in a directory of its own, it gets all of that.
    let closure = of(test(&["./test.sh"], Some(dir.path())), Path::new("/"));
    assert!(closure.tree.entries.contains_key(&at("unnamed")));
}

#[test]
fn the_words_of_a_command_are_looked_at_too() {
    let closure = of(
        test(&["sh", "-c", "nl /etc/hostname"], None),
        Path::new("/"),
    );
    assert!(has(&closure, "/usr/bin/nl") && has(&closure, "/etc/hostname"));
}

#[test]
fn what_the_host_lacks_is_said_and_no_error() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("t.sh"), "#!/no/such/shell\n").expect("written");
    let script = dir.path().join("t.sh");
    let closure = of(
        test(&[script.to_str().expect("UTF-8")], None),
        Path::new("/"),
    );
    assert!(
        closure
            .warnings
            .iter()
            .any(|text| text.contains("/no/such/shell")),
        "{:?}",
        closure.warnings
    );
    of(test(&["no-such-program"], None), Path::new("/"));
}
