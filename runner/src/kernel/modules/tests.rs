use super::super::{
    fixture::{self, filter, gzip, module},
    image::KernelImage,
};
use super::*;

const RELEASE: &str = "6.12.1-test+";

struct World {
    dir: tempfile::TempDir,
    modules: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let modules = dir.path().join("modules");
        Self { dir, modules }
    }

    fn installed(&self) -> PathBuf {
        self.modules.join(RELEASE)
    }

    /// Modules with their dependencies, installed with the suffix and packing of `pack`.
    fn install(&self, modules: &[(&str, &str, &str)], suffix: &str, pack: fn(&[u8]) -> Vec<u8>) {
        let mut list = String::new();
        for (name, depends, softdep) in modules {
            let path = format!("kernel/drivers/{name}.ko{suffix}");
            list.push_str(&format!("{path}: kernel/what/ever.ko\n"));
            let bytes = pack(&module(RELEASE, depends, softdep));
            fixture::write(&self.installed().join(path), bytes);
        }
        fixture::write(&self.installed().join("modules.dep"), list);
    }

    fn find(&self) -> Option<ModuleIndex> {
        let tree = self.dir.path().join("tree");
        ModuleIndex::find_in(&[self.installed()], RELEASE, Some(&tree))
    }

    fn order(&self, names: &[&str]) -> Vec<String> {
        let files = self.find().unwrap().resolve(names).unwrap();
        files.into_iter().map(|file| file.name).collect()
    }
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

#[test]
fn modules_come_after_what_they_depend_on_and_once() {
    let world = World::new();
    world.install(
        &[
            ("virtio_ring", "", ""),
            ("virtio", "virtio_ring", ""),
            ("virtio-pci", "virtio,virtio_ring,builtin_one", ""),
            ("9pnet_virtio", "9pnet,virtio", ""),
            ("9pnet", "", "pre: crc-extra no_such post: virtio"),
            ("crc_extra", "", ""),
        ],
        "",
        plain,
    );
    fixture::write(
        &world.installed().join("modules.builtin"),
        "kernel/lib/builtin-one.ko\n",
    );
    assert_eq!(
        world.order(&[
            "virtio_pci",
            "9pnet-virtio",
            "builtin_one",
            "virtio-pci",
            "virtio"
        ]),
        [
            "virtio_ring",
            "virtio",
            "virtio_pci",
            "crc_extra",
            "9pnet",
            "9pnet_virtio"
        ]
    );
    let index = world.find().unwrap();
    assert!(index.has("virtio-pci") && index.has("virtio_pci") && !index.has("builtin_one"));
    assert_eq!(index.is_builtin("builtin-one"), Some(true));
    assert_eq!(index.is_builtin("virtio"), Some(false));
    assert_eq!(index.dir(), world.installed());
}

#[test]
fn modules_that_depend_on_each_other_end() {
    let world = World::new();
    world.install(&[("a", "b", ""), ("b", "a", "pre: b")], "", plain);
    assert_eq!(world.order(&["a"]), ["b", "a"]);
}

#[test]
fn packed_modules_are_unpacked_by_their_content() {
    type Pack = fn(&[u8]) -> Vec<u8>;
    let xz: Pack =
        |bytes| filter("xz", &["--check=crc32", "-c"], bytes).unwrap_or_else(|| gzip(bytes));
    let zstd: Pack = |bytes| {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    };
    for (suffix, pack) in [
        ("", plain as Pack),
        (".gz", gzip),
        (".xz", xz),
        (".zst", zstd),
        (".xz", gzip),
    ] {
        let world = World::new();
        world.install(&[("one", "two", ""), ("two", "", "")], suffix, pack);
        let files = world.find().unwrap().resolve(&["one"]).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(load(&files[1]).unwrap(), module(RELEASE, "two", ""));
    }
}

#[test]
fn what_is_missing_is_named_with_who_needs_it() {
    let world = World::new();
    world.install(&[("one", "two", ""), ("three", "", "")], "", plain);
    let index = world.find().unwrap();
    let text = index.resolve(&["three", "nine-p"]).unwrap_err().to_string();
    assert!(
        text.contains("module nine_p is not among") && text.contains(RELEASE),
        "{text}"
    );
    let text = index.resolve(&["one"]).unwrap_err().to_string();
    assert!(
        text.contains("module two, which one needs, is not"),
        "{text}"
    );
    // Listed is not there.
    fs::remove_file(world.installed().join("kernel/drivers/three.ko")).unwrap();
    assert!(!index.has("three") && index.resolve(&["three"]).is_err());
}

#[test]
fn a_module_of_another_kernel_and_a_file_that_is_none_are_refused() {
    let world = World::new();
    world.install(&[("one", "", ""), ("two", "", "")], "", plain);
    let index = world.find().unwrap();
    let one = world.installed().join("kernel/drivers/one.ko");
    fs::write(&one, module("6.12.0", "", "")).unwrap();
    let text = index.resolve(&["one"]).unwrap_err().to_string();
    assert!(
        text.contains("\"6.12.0\"") && text.contains(RELEASE),
        "{text}"
    );
    assert!(text.contains("modules_install"), "{text}");
    for bytes in [&b""[..], b"text", b"\x7fELF\x02\x01\x01"] {
        fs::write(&one, bytes).unwrap();
        let error = index.resolve(&["one"]).unwrap_err();
        assert!(matches!(error, ModuleError::NotAModule(_)), "{error}");
    }
    fs::write(&one, &gzip(b"x")[..8]).unwrap();
    let error = index.resolve(&["one"]).unwrap_err();
    assert!(matches!(error, ModuleError::Expand { .. }), "{error}");
}

#[test]
fn a_build_tree_of_the_release_comes_before_installed_modules() {
    // The three forms that modules.order has had.
    for listed in ["drivers/one.o", "drivers/one.ko", "kernel/drivers/one.ko"] {
        let world = World::new();
        world.install(&[("one", "", "")], "", plain);
        let tree = world.dir.path().join("tree");
        fixture::write(&tree.join("drivers/one.ko"), module(RELEASE, "", ""));
        fixture::write(&tree.join("modules.order"), format!("{listed}\n"));
        assert_eq!(world.find().unwrap().dir(), world.installed());

        let built = tree.join("include/config/kernel.release");
        fixture::write(&built, "6.13.0\n");
        assert_eq!(world.find().unwrap().dir(), world.installed());
        fixture::write(&built, format!("{RELEASE}\n"));
        let files = world.find().unwrap().resolve(&["one"]).unwrap();
        assert_eq!(files[0].path, tree.join("drivers/one.ko"), "{listed}");
        let text = world
            .find()
            .unwrap()
            .resolve(&["two"])
            .unwrap_err()
            .to_string();
        assert!(text.contains("make modules"), "{text}");

        fs::remove_file(tree.join("modules.order")).unwrap();
        assert_eq!(world.find().unwrap().dir(), world.installed());
    }
}

#[test]
fn lists_without_depmod_and_without_modules_are_understood() {
    let world = World::new();
    assert!(world.find().is_none());
    let tree = world.dir.path().join("tree");
    fixture::write(&tree.join("include/config/kernel.release"), RELEASE);
    assert!(world.find().is_none());
    fixture::write(&tree.join("modules.builtin"), "kernel/fs/9p/9p.ko\n");
    assert_eq!(world.find().unwrap().is_builtin("9p"), Some(true));

    fixture::write(
        &world.installed().join("kernel/fs/one.ko.gz"),
        gzip(&module(RELEASE, "", "")),
    );
    fixture::write(
        &world.installed().join("modules.order"),
        "kernel/fs/one.ko\n",
    );
    assert_eq!(world.order(&["one"]), ["one"]);
    assert_eq!(world.find().unwrap().is_builtin("one"), None);
}

#[test]
fn the_first_place_that_has_a_list_counts() {
    let world = World::new();
    world.install(&[("one", "", "")], "", plain);
    let package = world.dir.path().join("package");
    let places = [package.clone(), world.installed()];
    let found = || ModuleIndex::find_in(&places, RELEASE, None).unwrap();
    fs::create_dir(&package).unwrap();
    assert_eq!(found().dir(), world.installed());
    fixture::write(&package.join("modules.order"), "kernel/fs/one.ko\n");
    assert_eq!(found().dir(), package);
}

#[test]
fn the_modules_of_real_kernels_resolve_as_depmod_says() {
    for path in fixture::installed_kernels() {
        let image = KernelImage::open(&path).unwrap();
        let release = image.release.clone();
        let index = ModuleIndex::find(&image, None).unwrap();
        let wanted = [
            "virtio_pci",
            "virtio_console",
            "9pnet_virtio",
            "9p",
            "overlay",
        ];
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|name| index.is_builtin(name) != Some(true))
            .collect();
        let files = index.resolve(&wanted).unwrap();
        let dep = read_list(&index.dir().join("modules.dep")).unwrap();
        for (place, file) in files.iter().enumerate() {
            let elf = load(file).unwrap();
            assert!(elf.starts_with(b"\x7fELF"));
            let line = dep
                .lines()
                .find(|line| module_name(line.split(':').next().unwrap()) == file.name)
                .unwrap();
            for needed in line.split_once(':').unwrap().1.split_ascii_whitespace() {
                let needed = module_name(needed);
                assert!(
                    files[..place].iter().any(|before| before.name == needed),
                    "{} comes before {needed}",
                    file.name
                );
            }
        }
        println!(
            "{release}: {:?}",
            files.iter().map(|f| &f.name).collect::<Vec<_>>()
        );
    }
}
