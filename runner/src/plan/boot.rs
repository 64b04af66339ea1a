//! The kernel of a run and what has to go with it.

use super::About;
use crate::{
    cli::Failure,
    error_chain,
    kernel::{self, Attachment, Demands, KernelConfig, KernelImage, ModuleIndex},
    machine::{Boots, Nesting, Transport, VmlinuxEntry},
};
use std::path::{Path, PathBuf};

/// The guest's init, a static program, as build.rs made it.
const INIT: &[u8] = include_bytes!(env!("RUNNER_GUEST_INIT"));

/// Everything a run knows about its kernel.
pub struct Boot {
    /// The image.
    pub image: KernelImage,
    /// The kernel proper out of the image, if that is what the machine is to load.
    unpacked: Option<KernelImage>,
    /// How virtio devices will be attached.
    pub transport: Transport,
    /// Whether the kernel reads ACPI tables.
    pub acpi: bool,
    /// By which entry a kernel proper will be started.
    entry: VmlinuxEntry,
    /// What is unpacked as the first root: init, and the modules that it loads.
    pub initramfs: Vec<u8>,
    /// Whether the host's files reach it over 9P. Otherwise those that tests need have to be packed into the initramfs.
    pub shared: bool,
    /// What the kernel lacks and can do without, as text.
    pub warning: Option<String>,
    /// Factor on time limits for what the configuration makes slow.
    pub slowness: f64,
    /// Its configuration, where one was found.
    pub config: Option<KernelConfig>,
    /// Its modules, where they were found.
    pub modules: Option<ModuleIndex>,
}

/// `--boot`: what of a bzImage the machine loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BootMethod {
    /// The kernel proper, except with QEMU's KVM: the bzImage.
    Auto,
    /// The bzImage, which unpacks itself in the guest and moves to a random address (KASLR).
    Bzimage,
    /// The kernel proper, unpacked on the host and entered at its 64-bit entry, or with QEMU at its PVH entry.
    Vmlinux,
}

/// Said where a kernel without 9P decides how tests come to their files.
const WITHOUT_9P: &str = "this kernel has no 9P (CONFIG_9P_FS, CONFIG_NET_9P_VIRTIO): what the tests need is packed into the \
                          initramfs, and nothing else of the host is seen";

/// Options that make a kernel slower by about so much.
const SLOW: &[(&str, f64)] = &[
    ("KASAN", 3.0),
    ("KMSAN", 5.0),
    ("KCSAN", 5.0),
    ("PROVE_LOCKING", 2.0),
    ("DEBUG_PAGEALLOC_ENABLE_DEFAULT", 1.5),
];

/// Finds the kernel: the one named, else the one that is meant by where we stand.
pub fn image(named: Option<&Path>, cwd: &Path) -> Result<KernelImage, Failure> {
    let path: PathBuf = match named {
        Some(path) => path.into(),
        None => kernel::default_kernel(cwd).map_err(|e| Failure::cannot_judge(e.to_string()))?,
    };
    KernelImage::open(&path).map_err(|e| Failure::cannot_judge(error_chain(&e)))
}

/// What is known of a kernel that is not to be booted.
pub struct Known {
    image: Option<KernelImage>,
    config: Option<KernelConfig>,
    modules: Option<ModuleIndex>,
}

impl Known {
    /// Looks at the kernel that is named or meant, if it can be read.
    pub fn find(named: Option<&Path>, cwd: &Path, cache_dir: Option<&Path>) -> Self {
        let image = image(named, cwd).ok();
        let of = image
            .as_ref()
            .map(|image| (image, kernel::tree_of(&image.path)));
        let of = of.as_ref();
        Self {
            config: of
                .and_then(|(image, tree)| KernelConfig::find(image, tree.as_deref(), cache_dir)),
            modules: of.and_then(|(image, tree)| ModuleIndex::find(image, tree.as_deref())),
            image,
        }
    }

    /// The same for a selection; `named` is the path of the command line.
    pub fn about<'a>(&'a self, named: Option<&'a Path>) -> About<'a> {
        About {
            path: named,
            image: self.image.as_ref(),
            release: self.image.as_ref().map(|image| &*image.release),
            config: self.config.as_ref(),
            modules: self.modules.as_ref(),
            accelerator: None,
            time_factor: None,
        }
    }
}

/// What the command line asks of a boot.
pub struct BootWishes<'a> {
    /// Modules beside those that it takes to run tests.
    pub modules: &'a [String],
    /// The bus of the devices, unless the kernel is to decide.
    pub transport: Option<Transport>,
    /// Whether the host unpacks a bzImage.
    pub unpack: bool,
    /// Whether the kernel may read ACPI tables if it can.
    pub acpi: bool,
    /// Whose virtualization the guest is to drive, if any.
    pub nesting: Option<Nesting>,
    /// How the guest comes to the host's files.
    pub root: RootTransport,
}

/// `--root-transport`: how the guest comes to the host's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RootTransport {
    /// Over 9P where the kernel has it.
    Auto,
    /// Over 9P, all of them.
    #[value(name = "9p")]
    NineP,
    /// Those that the tests need, packed into the initramfs.
    Initramfs,
}

/// Whether a kernel comes up by its PVH entry. The C code there (`arch/x86/platform/pvh/enlighten.c`) is checked by KASAN like
/// all other, before there is a shadow to check it by: such a kernel resets without a word.
fn has_pvh_entry(config: &KernelConfig) -> bool {
    config.is_on("PVH")
        && !["KASAN", "KMSAN"]
            .iter()
            .any(|checker| config.is_on(checker))
}

/// Options without which a checker built into the kernel would be silent after its first report (`mm/kasan/report.c`): later
/// tests would pass unwatched.
fn options_of(config: &KernelConfig) -> Vec<String> {
    match config.is_on("KASAN") {
        true => vec!["kasan_multi_shot".to_owned()],
        false => Vec::new(),
    }
}

impl Boot {
    /// Looks at the kernel's configuration and collects the modules that it takes to do as `wishes` say, on an engine that
    /// boots kernels as `boots` says.
    pub fn prepare(
        image: KernelImage,
        wishes: &BootWishes<'_>,
        boots: Boots,
        cache_dir: Option<&Path>,
    ) -> Result<Self, Failure> {
        let tree = kernel::tree_of(&image.path);
        let config = KernelConfig::find(&image, tree.as_deref(), cache_dir);
        let index = ModuleIndex::find(&image, tree.as_deref());
        let (found_config, found_modules) = (config.clone(), index.clone());
        let (config, index) = (config.as_ref(), index.as_ref());
        let acpi = wishes.acpi && config.is_none_or(|config| config.is_on("ACPI"));
        let mmio = if boots.mmio_by_acpi && acpi {
            Attachment::MmioByAcpi
        } else {
            Attachment::MmioByCommandLine
        };
        let transport = wishes.transport.unwrap_or_else(|| {
            let possible = kernel::possible(config, index, mmio);
            possible.first().copied().unwrap_or(Transport::Pci)
        });
        let attachment = match transport {
            Transport::Pci => Attachment::Pci,
            Transport::Mmio => mmio,
        };
        let mut machine = Demands {
            attachment,
            nesting: wishes.nesting,
            shared: wishes.root != RootTransport::Initramfs,
        };
        let mut needs = kernel::check(config, index, &machine);
        let mut without_9p = None;
        if wishes.root == RootTransport::Auto && needs.lacks_9p() {
            machine.shared = false;
            let packed = kernel::check(config, index, &machine);
            // A kernel that lacks more is told of all that it lacks.
            if packed.can_run() {
                needs = packed;
                without_9p = Some(WITHOUT_9P.to_owned());
            }
        }
        let by_pvh = boots.vmlinux == VmlinuxEntry::Pvh;
        if matches!(&image.format, kernel::Format::Vmlinux(vmlinux) if by_pvh && !vmlinux.pvh) {
            return Err(Failure::cannot_judge(format!(
                "{} has no PVH entry, by which QEMU boots a vmlinux: name the bzImage of the same build, or set CONFIG_PVH=y",
                image.path.display()
            )));
        }
        let warning = kernel::explain(&needs.missing, config, index);
        if !needs.can_run() {
            let text = warning.unwrap_or_default();
            return Err(Failure::cannot_judge(format!(
                "{} cannot run tests: {text}",
                image.path.display()
            )));
        }
        let names: Vec<&str> = needs
            .modules_to_load
            .iter()
            .copied()
            .chain(wishes.modules.iter().map(String::as_str))
            .collect();
        let modules = match index {
            Some(index) => load(index, &names)?,
            None if names.is_empty() => Vec::new(),
            None => {
                return Err(Failure::cannot_judge(format!(
                    "no modules of {} were found, neither in its build tree nor beside the image's /boot nor in /lib/modules, and these are needed: {}",
                    image.release,
                    names.join(", ")
                )));
            }
        };
        let warning = match (without_9p, warning) {
            (Some(first), Some(then)) => Some(format!("{first}\n{then}")),
            (first, then) => first.or(then),
        };
        let initramfs =
            kernel::build_initramfs(INIT, &modules).map_err(|e| Failure::host(error_chain(&e)))?;
        let unpacked = if wishes.unpack {
            let pvh = by_pvh.then(|| config.is_some_and(has_pvh_entry));
            kernel::unpacked(&image, pvh, cache_dir)
        } else {
            None
        };
        let slowness = config.map_or(1.0, |config| {
            SLOW.iter()
                .filter(|(symbol, _)| config.is_on(symbol))
                .map(|(_, factor)| factor)
                .product()
        });
        Ok(Self {
            image,
            unpacked,
            transport,
            acpi,
            entry: boots.vmlinux,
            initramfs,
            shared: machine.shared,
            warning,
            slowness,
            config: found_config,
            modules: found_modules,
        })
    }

    /// Options of the kernel command line that this kernel gets unasked.
    pub fn options(&self) -> Vec<String> {
        self.config.as_ref().map(options_of).unwrap_or_default()
    }

    /// Adds another archive to the initramfs.
    pub fn append(&mut self, archive: &[u8]) {
        // The kernel takes archives one after the other, from multiples of four bytes (`unpack_to_rootfs`, `init/initramfs.c`).
        let aligned = self.initramfs.len().next_multiple_of(4);
        self.initramfs.resize(aligned, 0);
        self.initramfs.extend_from_slice(archive);
    }

    /// What the machine loads.
    pub fn loaded(&self) -> &KernelImage {
        self.unpacked.as_ref().unwrap_or(&self.image)
    }

    /// MiB of guest memory below which this kernel certainly does not come up: what it says it takes to unpack itself
    /// (`init_size`, `Documentation/arch/x86/boot.rst`), the initramfs twice (packed and unpacked), and a little to run in.
    pub fn memory_needed(&self) -> u64 {
        const TO_RUN: u64 = 32 << 20;
        let unpacking = match &self.image.format {
            kernel::Format::BzImage(image) => u64::from(image.init_size),
            kernel::Format::Vmlinux(_) => 0,
        };
        (unpacking + 2 * self.initramfs.len() as u64 + TO_RUN).div_ceil(1 << 20)
    }

    /// What the machine loads, and by which entry, for reports.
    pub fn method(&self) -> &'static str {
        let packed = match (&self.unpacked, &self.image.format) {
            (Some(_), _) => true,
            (None, kernel::Format::Vmlinux(_)) => false,
            (None, kernel::Format::BzImage(_)) => return "bzImage",
        };
        match (packed, self.entry) {
            (true, VmlinuxEntry::Long) => "unpacked bzImage, 64-bit entry",
            (true, VmlinuxEntry::Pvh) => "unpacked bzImage, PVH entry",
            (false, VmlinuxEntry::Long) => "vmlinux, 64-bit entry",
            (false, VmlinuxEntry::Pvh) => "vmlinux, PVH entry",
        }
    }
}

fn load(index: &ModuleIndex, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let failure = |e: kernel::ModuleError| Failure::cannot_judge(error_chain(&e));
    let files = index.resolve(names).map_err(failure)?;
    files
        .iter()
        .map(|file| {
            Ok((
                file.name.clone(),
                kernel::load_module(file).map_err(failure)?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_init_is_a_small_static_program() {
        assert!(INIT.starts_with(b"\x7fELF"));
        assert!(INIT.len() < 1 << 20, "{} bytes", INIT.len());
        let elf = object::File::parse(INIT).expect("an ELF file");
        let dynamic = object::Object::dynamic_symbols(&elf).count();
        assert_eq!(dynamic, 0, "it needs shared libraries");
    }

    #[test]
    fn a_kernel_that_checks_itself_is_not_entered_by_pvh() {
        for (text, enters) in [
            ("CONFIG_X86_64=y\nCONFIG_PVH=y\n", true),
            ("CONFIG_X86_64=y\n", false),
            ("CONFIG_X86_64=y\nCONFIG_PVH=y\nCONFIG_KASAN=y\n", false),
        ] {
            let config = KernelConfig::parse(text, "a test").expect("a configuration");
            assert_eq!(has_pvh_entry(&config), enters, "{text}");
            let told = options_of(&config) == ["kasan_multi_shot"];
            assert_eq!(told, text.contains("KASAN"), "{text}");
        }
    }
}
