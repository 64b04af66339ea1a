use super::super::fixture::{self, bzimage, gzip, ikconfig, vmlinux};
use super::*;
use tempfile::TempDir;

const RELEASE: &str = "6.12.1-test+";

struct World {
    dir: TempDir,
    host: HostPaths,
    tree: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = HostPaths {
            boot: dir.path().join("boot"),
            modules: dir.path().join("modules"),
        };
        let tree = dir.path().join("tree");
        Self { dir, host, tree }
    }

    fn image(&self, bytes: &[u8]) -> KernelImage {
        let path = self.dir.path().join("images/bzImage");
        fixture::write(&path, bytes);
        KernelImage::open(&path).unwrap()
    }

    fn plain_image(&self) -> KernelImage {
        self.image(&bzimage(RELEASE, &gzip(b"no configuration in here")))
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache/below")
    }

    fn find(&self, image: &KernelImage) -> Option<KernelConfig> {
        KernelConfig::find_on(&self.host, image, Some(&self.tree), Some(&self.cache()))
    }

    fn from(&self, image: &KernelImage) -> String {
        self.find(image)
            .map_or_else(|| "nowhere".into(), |c| c.origin().into())
    }

    fn entries(&self) -> Vec<PathBuf> {
        fs::read_dir(self.cache())
            .map(|dir| dir.map(|e| e.unwrap().path()).collect())
            .unwrap_or_default()
    }
}

fn bzimage_with(text: &str) -> Vec<u8> {
    let kernel = [b"text IKCFG_ST text", &ikconfig(text)[..], b"more"].concat();
    bzimage(RELEASE, &gzip(&kernel))
}

#[test]
fn the_image_itself_is_asked_first() {
    let world = World::new();
    fixture::write(&world.tree.join(".config"), "CONFIG_TREE=y\n");
    let image = world.image(&bzimage_with("CONFIG_EMBEDDED=y\n"));
    let config = world.find(&image).unwrap();
    assert!(config.is_on("EMBEDDED") && !config.is_on("TREE"));
    assert!(config.origin().starts_with("embedded in "));
}

#[test]
fn a_vmlinux_is_asked_too() {
    let world = World::new();
    let content = [
        b"Linux version 6.1 (me",
        &ikconfig("CONFIG_EMBEDDED=y\n")[..],
    ]
    .concat();
    let image = world.image(&vmlinux(&content, false));
    assert!(world.find(&image).unwrap().is_on("EMBEDDED"));
}

#[test]
fn the_other_sources_come_in_their_order() {
    let world = World::new();
    let image = world.plain_image();
    assert_eq!(world.from(&image), "nowhere");
    let named = format!("config-{RELEASE}");
    let modules = world.host.modules.join(RELEASE);
    for path in [
        modules.join("build/.config"),
        modules.join("config"),
        world.host.boot.join(&named),
        image.path.with_file_name(&named),
    ] {
        fixture::write(&path, "CONFIG_A=y\n");
        assert_eq!(world.from(&image), path.display().to_string());
    }
    // Empty files and directories are passed over.
    fs::write(image.path.with_file_name(&named), "").unwrap();
    assert_eq!(
        world.from(&image),
        world.host.boot.join(&named).display().to_string()
    );
}

#[test]
fn a_tree_that_is_now_another_release_is_not_asked() {
    let world = World::new();
    let config = world.tree.join(".config");
    fixture::write(&config, "CONFIG_A=y\n");
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    File::options()
        .write(true)
        .open(&config)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    let image = world.plain_image();
    assert_eq!(world.from(&image), config.display().to_string());

    let built = world.tree.join("include/config/kernel.release");
    fixture::write(&built, format!("{RELEASE}\n"));
    assert_eq!(world.from(&image), config.display().to_string());
    fixture::write(&built, "6.13.0\n");
    assert_eq!(world.from(&image), "nowhere");
}

#[test]
fn a_configuration_changed_after_the_build_says_so() {
    let world = World::new();
    let image = world.plain_image();
    let config = world.tree.join(".config");
    fixture::write(&config, "CONFIG_A=y\n");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    File::options()
        .write(true)
        .open(&config)
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert!(
        world
            .from(&image)
            .ends_with("(changed after the kernel was built)")
    );
}

#[test]
fn the_answer_is_kept_and_a_broken_entry_is_redone() {
    for (bytes, embedded) in [
        (bzimage_with("CONFIG_EMBEDDED=y\n"), true),
        (bzimage(RELEASE, &gzip(b"nothing")), false),
    ] {
        let world = World::new();
        let image = world.image(&bytes);
        assert_eq!(world.find(&image).is_some(), embedded);
        let [entry] = &world.entries()[..] else {
            panic!("not one entry: {:?}", world.entries());
        };
        let good = fs::read(entry).unwrap();

        // It is the entry that answers now: the image's bytes are gone.
        fs::write(&image.path, vec![0; bytes.len()]).unwrap();
        let kept = ikconfig::text(&image, Some(&world.cache())).unwrap();
        assert_eq!(kept.is_some(), embedded);
        assert!(ikconfig::text(&image, None).is_err());

        fs::write(&image.path, &bytes).unwrap();
        for broken in [&b""[..], &good[..good.len() - 1], b"rubbish", b"non"] {
            fs::write(entry, broken).unwrap();
            assert_eq!(world.find(&image).is_some(), embedded, "{broken:?}");
            assert_eq!(fs::read(entry).unwrap(), good);
        }
        assert_eq!(world.entries().len(), 1, "no temporary files are left");
    }
}

#[test]
fn a_cache_that_cannot_be_written_does_no_harm() {
    let world = World::new();
    let image = world.image(&bzimage_with("CONFIG_EMBEDDED=y\n"));
    let file = world.dir.path().join("file");
    fs::write(&file, "").unwrap();
    let cache = file.join("below");
    for cache in [None, Some(cache.as_path())] {
        let config = KernelConfig::find_on(&world.host, &image, None, cache);
        assert!(config.unwrap().is_on("EMBEDDED"));
    }
}

#[test]
fn another_build_under_the_same_name_is_another_entry() {
    let world = World::new();
    for value in ["y", "m"] {
        let path = world.dir.path().join("images/bzImage");
        let _ = fs::remove_file(&path);
        let image = world.image(&bzimage_with(&format!(
            "CONFIG_A={value}\nCONFIG_{value}=y\n"
        )));
        assert!(world.find(&image).unwrap().is_on(value));
    }
}

#[test]
fn an_image_that_cannot_be_unpacked_leaves_the_other_sources() {
    let world = World::new();
    fixture::write(&world.tree.join(".config"), "CONFIG_A=y\n");
    let image = world.image(&bzimage(RELEASE, b"BZh9 bzip2 it is"));
    assert!(world.from(&image).contains(".config"));
    assert_eq!(world.entries(), Vec::<PathBuf>::new());
}

#[test]
fn real_kernels_have_configurations() {
    let given = [
        fixture::given_kernels("bzImage"),
        fixture::given_kernels("vmlinux"),
    ]
    .concat();
    for path in given {
        // A vmlinux may be given packed, which is for another test.
        let Ok(image) = KernelImage::open(&path) else {
            continue;
        };
        let config = KernelConfig::find(&image, None, None).unwrap();
        assert!(config.is_on("64BIT") && config.is_on("IKCONFIG"));
        let beside = path.with_file_name(format!("config-{}", image.release));
        if let Some(beside) = KernelConfig::read(&beside) {
            assert_eq!(config.symbols, beside.symbols);
        }
    }
    for path in fixture::installed_kernels() {
        let image = KernelImage::open(&path).unwrap();
        let config = KernelConfig::find(&image, None, None).unwrap();
        assert!(config.is_on("64BIT"), "{}", config.origin());
    }
}
