use super::*;
use std::time::Duration;

struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    /// A tree that was built in place.
    fn new() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        for (path, content) in [
            ("Makefile", "all:\n"),
            (".config", "CONFIG_X=y\n"),
            ("vmlinux", "\x7fELF"),
            ("scripts/unifdef.c", "int main;"),
            ("scripts/unifdef.o", "object"),
            ("scripts/run.sh", "#!/bin/sh\n"),
            ("usr/Makefile", ""),
            ("usr/include/linux/a.h", "old"),
            ("include/uapi/linux/a.h", "a"),
            ("include/generated/autoconf.h", "old"),
            ("include/config/auto.conf", "old"),
            ("arch/x86/Makefile", ""),
            ("arch/x86/include/asm/b.h", "b"),
            ("arch/x86/include/generated/x.h", "old"),
            ("arch/arm/Makefile", ""),
            ("mm/gup_test.h", "g"),
            ("tools/perf/perf.c", "p"),
            ("tools/testing/selftests/mm/test.c", "t"),
            ("tools/testing/selftests/mm/test", "\x7fELF program"),
            ("tools/testing/selftests/mm/test.sh", "#!/bin/sh\n"),
        ] {
            lab.write(path, content);
        }
        for program in ["tools/testing/selftests/mm/test", "scripts/run.sh"] {
            fs::set_permissions(lab.tree().join(program), fs::Permissions::from_mode(0o755))
                .expect("a mode");
        }
        lab
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("linux")
    }

    fn shadow(&self) -> PathBuf {
        self.dir.path().join("shadow")
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.tree().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    fn sync(&self) -> u128 {
        self.sync_with(false)
    }

    fn sync_with(&self, renew: bool) -> u128 {
        let manifest = self.dir.path().join("manifest");
        sync(&self.tree(), &self.shadow(), &manifest, renew).expect("a shadow")
    }

    fn shows(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.shadow().join(path)).ok()
    }
}

#[test]
fn the_shadow_of_a_built_tree_is_clean() {
    let lab = Lab::new();
    lab.sync();
    for path in [
        "Makefile",
        "scripts/unifdef.c",
        "scripts/run.sh",
        "include/uapi/linux/a.h",
        "arch/x86/include/asm/b.h",
        "arch/arm/Makefile",
        "mm/gup_test.h",
        "tools/perf/perf.c",
        "tools/testing/selftests/mm/test.c",
    ] {
        let original = fs::read_to_string(lab.tree().join(path)).expect("a file");
        assert_eq!(lab.shows(path), Some(original), "{path}");
    }
    for path in [
        ".config",
        "include/config",
        "include/generated",
        "arch/x86/include/generated",
        "usr/include",
        "scripts/unifdef.o",
        "tools/testing/selftests/mm/test",
    ] {
        assert!(!lab.shadow().join(path).exists(), "{path}");
    }
}

#[test]
fn what_builds_write_to_is_no_way_into_the_tree() {
    let lab = Lab::new();
    lab.sync();
    let real = |path: &str| fs::canonicalize(lab.shadow().join(path)).expect("a path");
    let tree = fs::canonicalize(lab.tree()).expect("a path");
    for path in [
        "",
        "scripts",
        "usr",
        "include",
        "arch/x86/include",
        "tools/testing/selftests/mm",
    ] {
        assert!(!real(path).starts_with(&tree), "{path}");
    }
    assert!(real("mm").starts_with(&tree));
}

#[test]
fn the_generation_follows_what_is_compiled() {
    let lab = Lab::new();
    let first = lab.sync();
    assert_eq!(lab.sync(), first);

    lab.write(
        "tools/testing/selftests/mm/test.sh",
        "#!/bin/sh\necho more\n",
    );
    assert_eq!(lab.sync(), first, "scripts are not compiled");
    assert_eq!(
        lab.shows("tools/testing/selftests/mm/test.sh").as_deref(),
        Some("#!/bin/sh\necho more\n")
    );
    lab.write("tools/testing/selftests/mm/test.o", "built in place");
    assert_eq!(lab.sync(), first, "objects are no sources");

    let mut last = first;
    for path in [
        "tools/testing/selftests/mm/test.c",
        "include/uapi/linux/a.h",
        "mm/gup_test.h",
        "tools/testing/selftests/mm/new.h",
    ] {
        lab.write(path, "changed content");
        let now = lab.sync();
        assert_ne!(now, last, "{path}");
        assert_eq!(lab.shows(path).as_deref(), Some("changed content"));
        last = now;
    }
}

#[test]
fn a_change_to_an_older_file_of_equal_size_is_seen_and_looks_new() {
    let lab = Lab::new();
    let path = "tools/testing/selftests/mm/test.c";
    let first = lab.sync();
    lab.write(path, "u");
    let old = SystemTime::now() - Duration::from_secs(1_000_000);
    let file = File::options()
        .write(true)
        .open(lab.tree().join(path))
        .expect("a file");
    file.set_modified(old).expect("a date");
    assert_ne!(lab.sync(), first);
    assert_eq!(lab.shows(path).as_deref(), Some("u"));
    let copied = fs::metadata(lab.shadow().join(path))
        .expect("a file")
        .modified()
        .expect("a date");
    assert!(copied > old + Duration::from_secs(1000));
}

#[test]
fn removed_files_and_strays_go() {
    let lab = Lab::new();
    let first = lab.sync();
    let stray = lab
        .shadow()
        .join("tools/testing/selftests/mm/local_config.h");
    fs::write(&stray, "by a build").expect("a file");
    assert_eq!(lab.sync(), first);
    assert!(stray.exists(), "an unchanged tree keeps what was built");
    fs::remove_file(lab.tree().join("tools/testing/selftests/mm/test.c")).expect("removed");
    assert_ne!(lab.sync(), first);
    assert!(!stray.exists());
    assert_eq!(lab.shows("tools/testing/selftests/mm/test.c"), None);
    fs::write(&stray, "by a build").expect("a file");
    lab.sync_with(true);
    assert!(!stray.exists());
}

#[test]
fn a_file_may_become_a_directory_and_back() {
    let lab = Lab::new();
    let path = lab.tree().join("tools/testing/selftests/mm/test.c");
    lab.sync();
    fs::remove_file(&path).expect("removed");
    lab.write("tools/testing/selftests/mm/test.c/inner.c", "inner");
    lab.sync();
    assert_eq!(
        lab.shows("tools/testing/selftests/mm/test.c/inner.c")
            .as_deref(),
        Some("inner")
    );
    fs::remove_dir_all(&path).expect("removed");
    lab.write("tools/testing/selftests/mm/test.c", "again");
    lab.sync();
    assert_eq!(
        lab.shows("tools/testing/selftests/mm/test.c").as_deref(),
        Some("again")
    );
}

#[test]
fn a_removed_linked_header_is_never_removed_through_its_link() {
    let lab = Lab::new();
    let first = lab.sync();
    let header = lab.tree().join("include/uapi/linux/a.h");
    fs::rename(&header, header.with_extension("away")).expect("renamed");
    assert_ne!(lab.sync(), first);
    assert!(header.with_extension("away").exists());
}

#[test]
fn a_damaged_manifest_is_none() {
    for bytes in [
        &b""[..],
        b"x\n",
        b"7\n1 2\n",
        b"7\n1 2 x p\n",
        b"7\n1 2 3 p",
    ] {
        assert_eq!(Manifest::decode(bytes), None);
    }
    let good = Manifest::decode(b"7\n-1 2 3 a b\n").expect("a manifest");
    assert_eq!(good.files.get(Path::new("a b")), Some(&(-1, 2, 3)));
}
