use super::super::{
    KernelImage,
    fixture::{self, module},
};
use super::*;

/// [`super::check`] for a machine with shares.
fn check(
    config: Option<&KernelConfig>,
    modules: Option<&ModuleIndex>,
    attachment: Attachment,
    nesting: Option<Nesting>,
) -> Needs {
    let machine = Demands {
        attachment,
        nesting,
        shared: true,
    };
    super::check(config, modules, &machine)
}

const RELEASE: &str = "6.12.1-test+";

/// A configuration with everything at `y` but what `changes` say, in lines of a .config.
fn config(changes: &str) -> KernelConfig {
    let mut text: String = NEEDS
        .iter()
        .flat_map(|need| need.parents.iter().chain([&need.symbol]))
        .map(|symbol| format!("CONFIG_{symbol}=y\n"))
        .collect();
    text.push_str(changes);
    KernelConfig::parse(&text, "test").unwrap()
}

fn index(files: &[&str], builtin: Option<&[&str]>) -> (tempfile::TempDir, ModuleIndex) {
    let dir = tempfile::tempdir().unwrap();
    let installed = dir.path().join(RELEASE);
    let list = |names: &[&str]| -> String {
        names
            .iter()
            .map(|name| format!("kernel/{name}.ko\n"))
            .collect()
    };
    for name in files {
        let path = installed.join(format!("kernel/{name}.ko"));
        fixture::write(&path, module(RELEASE, "", ""));
    }
    fixture::write(&installed.join("modules.dep"), list(files));
    if let Some(builtin) = builtin {
        fixture::write(&installed.join("modules.builtin"), list(builtin));
    }
    let index = ModuleIndex::find_in(&[installed], RELEASE, None).unwrap();
    (dir, index)
}

fn missing(needs: &Needs) -> Vec<(&str, Cause)> {
    needs
        .missing
        .iter()
        .map(|m| (m.need.symbol, m.cause))
        .collect()
}

#[test]
fn a_kernel_with_everything_built_in_needs_nothing() {
    let config = config("");
    for attachment in [
        Attachment::Pci,
        Attachment::MmioByAcpi,
        Attachment::MmioByCommandLine,
    ] {
        let needs = check(Some(&config), None, attachment, None);
        assert_eq!(missing(&needs), []);
        assert!(needs.can_run() && needs.modules_to_load.is_empty());
        let transports = possible(Some(&config), None, Attachment::MmioByAcpi);
        assert_eq!(transports, [Transport::Pci, Transport::Mmio]);
        assert_eq!(explain(&needs.missing, Some(&config), None), None);
    }
}

#[test]
fn a_module_serves_where_its_file_is_there_and_only_there() {
    let config = config("CONFIG_9P_FS=m\nCONFIG_OVERLAY_FS=m\nCONFIG_VIRTIO_CONSOLE=m\n");
    let (_dir, index) = index(&["9p", "virtio-console"], None);
    let needs = check(Some(&config), Some(&index), Attachment::Pci, None);
    assert_eq!(needs.modules_to_load, ["virtio_console", "9p"]);
    assert_eq!(
        missing(&needs),
        [("OVERLAY_FS", Cause::ModuleNotFound("overlay"))]
    );
    assert!(needs.can_run());

    let needs = check(Some(&config), None, Attachment::Pci, None);
    assert!(!needs.can_run());
    let text = explain(&needs.missing, Some(&config), None).unwrap();
    assert!(
        text.contains("CONFIG_9P_FS is m and needs the module 9p, but no modules"),
        "{text}"
    );
    assert!(text.contains("make modules_install"), "{text}");
}

#[test]
fn what_machines_inside_take_is_asked_for_with_nesting_alone() {
    let modular = config("CONFIG_KVM=m\nCONFIG_KVM_AMD=m\n# CONFIG_KVM_INTEL is not set\n");
    let (_dir, index) = index(&["kvm", "kvm-amd"], None);
    let load = |nesting| check(Some(&modular), Some(&index), Attachment::Pci, nesting);
    assert_eq!(load(None).modules_to_load, [""; 0]);
    assert_eq!(missing(&load(None)), []);
    let amd = load(Some(Nesting::Svm));
    assert_eq!(amd.modules_to_load, ["kvm", "kvm_amd"]);
    assert_eq!(missing(&amd), []);
    let intel = load(Some(Nesting::Vmx));
    assert_eq!(missing(&intel), [("KVM_INTEL", Cause::Off)]);
    assert!(!intel.can_run());
    let text = explain(&intel.missing, Some(&modular), Some(&index)).unwrap();
    assert!(
        text.starts_with("this kernel lacks what --nested needs (its configuration: test):\n  CONFIG_KVM_INTEL is not set: "),
        "{text}"
    );
    assert!(
        text.contains("scripts/config -e KVM -e KVM_INTEL\n"),
        "{text}"
    );
}

#[test]
fn transports_are_asked_for_one_by_one() {
    let no_mmio = config("# CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES is not set\n");
    let needs = check(Some(&no_mmio), None, Attachment::Pci, None);
    assert!(needs.can_run());
    let by_line = possible(Some(&no_mmio), None, Attachment::MmioByCommandLine);
    assert_eq!(by_line, [Transport::Pci]);
    let by_acpi = possible(Some(&no_mmio), None, Attachment::MmioByAcpi);
    assert_eq!(by_acpi, [Transport::Pci, Transport::Mmio]);
    let needs = check(Some(&no_mmio), None, Attachment::MmioByCommandLine, None);
    assert_eq!(
        missing(&needs),
        [("VIRTIO_MMIO_CMDLINE_DEVICES", Cause::Off)]
    );

    let no_pci = config("# CONFIG_VIRTIO_PCI is not set\n");
    assert_eq!(
        possible(Some(&no_pci), None, Attachment::MmioByCommandLine),
        [Transport::Mmio]
    );

    // A module would come too late to read the command line.
    let modular = config("CONFIG_VIRTIO_MMIO=m\n");
    let (_dir, index) = index(&["virtio_mmio"], None);
    let needs = check(
        Some(&modular),
        Some(&index),
        Attachment::MmioByCommandLine,
        None,
    );
    assert_eq!(missing(&needs), [("VIRTIO_MMIO", Cause::OnlyModule)]);
    let needs = check(Some(&modular), Some(&index), Attachment::MmioByAcpi, None);
    assert_eq!(needs.modules_to_load, ["virtio_mmio"]);
    assert!(needs.can_run());
}

#[test]
fn without_configuration_the_modules_are_asked() {
    let needs = check(None, None, Attachment::Pci, None);
    assert_eq!(missing(&needs), []);
    assert_eq!(
        possible(None, None, Attachment::MmioByAcpi),
        [Transport::Pci]
    );

    let (_dir, unlisted) = index(&["9p"], None);
    let needs = check(None, Some(&unlisted), Attachment::Pci, None);
    assert_eq!(needs.modules_to_load, ["9p"]);
    assert_eq!(missing(&needs), []);

    let builtin = ["virtio_pci", "9pnet_virtio", "binfmt_script", "overlay"];
    let (_dir, listed) = index(&["9p"], Some(&builtin));
    let needs = check(None, Some(&listed), Attachment::Pci, None);
    assert_eq!(needs.modules_to_load, ["9p"]);
    assert_eq!(
        missing(&needs),
        [("VIRTIO_CONSOLE", Cause::NowhereFound("virtio_console"))]
    );
    let text = explain(&needs.missing, None, Some(&listed)).unwrap();
    assert!(
        text.contains("the module virtio_console is not built in"),
        "{text}"
    );
}

#[test]
fn what_is_missing_is_explained_with_lines_to_paste() {
    let config = config(
        "# CONFIG_9P_FS is not set\n# CONFIG_NET_9P is not set\n# CONFIG_NET_9P_VIRTIO is not set\n\
         # CONFIG_OVERLAY_FS is not set\n",
    );
    let needs = check(Some(&config), None, Attachment::Pci, None);
    let text = explain(&needs.missing, Some(&config), None).unwrap();
    assert_eq!(
        text,
        "this kernel lacks what every run needs (its configuration: test):\n\
         \x20 CONFIG_NET_9P_VIRTIO is not set: the host's files reach the guest over it\n\
         \x20 CONFIG_9P_FS is not set: the host's files reach the guest over it\n\
         this kernel lacks what some tests need (its configuration: test):\n\
         \x20 CONFIG_OVERLAY_FS is not set: without it the root stays read-only, and only /tmp, /var/tmp and /run can be written\n\
         in the kernel's tree, set the options and build again:\n\
         \x20 scripts/config -e NET_9P -e NET_9P_VIRTIO -e 9P_FS -e OVERLAY_FS\n\
         \x20 make olddefconfig\n\
         which sets in .config:\n\
         CONFIG_NET_9P=y\n\
         CONFIG_NET_9P_VIRTIO=y\n\
         CONFIG_9P_FS=y\n\
         CONFIG_OVERLAY_FS=y\n"
    );
}

#[test]
fn real_kernels_can_run_tests() {
    for path in [
        fixture::installed_kernels(),
        fixture::given_kernels("bzImage"),
    ]
    .concat()
    {
        let image = KernelImage::open(&path).unwrap();
        let config = KernelConfig::find(&image, None, None);
        let modules = ModuleIndex::find(&image, None);
        let needs = check(config.as_ref(), modules.as_ref(), Attachment::Pci, None);
        let text = explain(&needs.missing, config.as_ref(), modules.as_ref());
        assert!(needs.can_run(), "{}", text.unwrap_or_default());
        assert_eq!(text, None);

        // The modules say the same as the configuration.
        if let Some(modules) = &modules {
            let guessed = check(None, Some(modules), Attachment::Pci, None);
            assert_eq!(guessed.modules_to_load, needs.modules_to_load);
            assert_eq!(guessed.missing, []);
        }
    }
}

/// `make` in an output directory, and whether it did it.
fn make(tree: &std::path::Path, out: &std::path::Path, target: &str) {
    let made = std::process::Command::new("make")
        .current_dir(tree)
        .arg(format!("O={}", out.display()))
        .args(["ARCH=x86_64", "-s", target])
        .status()
        .unwrap();
    assert!(made.success(), "make {target}");
}

#[test]
fn the_advice_makes_the_smallest_kernel_one_that_can_run_tests() {
    let Some(tree) = std::env::var_os("RUNNER_TEST_LINUX_SOURCE") else {
        println!("SKIP: RUNNER_TEST_LINUX_SOURCE names no kernel source tree");
        return;
    };
    let tree = std::path::PathBuf::from(tree);
    for attachment in [Attachment::Pci, Attachment::MmioByCommandLine] {
        let out = tempfile::tempdir().unwrap();
        let read = || {
            let text = std::fs::read_to_string(out.path().join(".config")).unwrap();
            KernelConfig::parse(&text, ".config").unwrap()
        };
        make(&tree, out.path(), "tinyconfig");
        let tiny = read();
        let needs = check(Some(&tiny), None, attachment, None);
        assert!(!needs.can_run());
        let text = explain(&needs.missing, Some(&tiny), None).unwrap();
        println!("{text}");

        let line = text
            .lines()
            .find(|l| l.contains("scripts/config "))
            .unwrap();
        let configured = std::process::Command::new("scripts/config")
            .current_dir(&tree)
            .arg("--file")
            .arg(out.path().join(".config"))
            .args(line.split_ascii_whitespace().skip(1))
            .status()
            .unwrap();
        assert!(configured.success());
        make(&tree, out.path(), "olddefconfig");
        let needs = check(Some(&read()), None, attachment, None);
        assert_eq!(missing(&needs), []);
    }
}

#[test]
fn only_a_machine_with_shares_needs_9p() {
    let config = config("# CONFIG_9P_FS is not set\n");
    let mut machine = Demands {
        attachment: Attachment::Pci,
        nesting: None,
        shared: true,
    };
    let needs = super::check(Some(&config), None, &machine);
    assert!(needs.lacks_9p() && !needs.can_run());
    machine.shared = false;
    let needs = super::check(Some(&config), None, &machine);
    assert!(!needs.lacks_9p() && needs.can_run());
}
