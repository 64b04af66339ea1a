//! The kernel of a run and what has to go with it.

use crate::{
    cli::Failure,
    error_chain,
    kernel::{self, KernelConfig, KernelImage, ModuleIndex},
    machine::Transport,
};
use std::path::{Path, PathBuf};

/// Everything a run knows about its kernel.
pub struct Boot {
    /// The image.
    pub image: KernelImage,
    /// How virtio devices will be attached.
    pub transport: Transport,
    /// Modules for the initramfs, name and content, in load order.
    pub modules: Vec<(String, Vec<u8>)>,
    /// What the kernel lacks and can do without, as text.
    pub warning: Option<String>,
    /// Factor on time limits for what the configuration makes slow.
    pub slowness: f64,
}

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
        None => kernel::default_kernel(cwd).map_err(|e| Failure::host(e.to_string()))?,
    };
    KernelImage::open(&path).map_err(|e| Failure::cannot_judge(error_chain(&e)))
}

impl Boot {
    /// Looks at the kernel's configuration and collects the modules it takes to run tests, and `extra` ones.
    pub fn prepare(
        image: KernelImage,
        extra: &[String],
        wanted: Option<Transport>,
        cache_dir: Option<&Path>,
    ) -> Result<Self, Failure> {
        let tree = kernel::tree_of(&image.path);
        let config = KernelConfig::find(&image, tree.as_deref(), cache_dir);
        let index = ModuleIndex::find(&image.release, tree.as_deref());
        let (config, index) = (config.as_ref(), index.as_ref());
        let possible = kernel::check(config, index, Transport::Pci).transports;
        let transport = wanted
            .or(possible.first().copied())
            .unwrap_or(Transport::Pci);
        let needs = kernel::check(config, index, transport);
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
            .chain(extra.iter().map(String::as_str))
            .collect();
        let modules = match index {
            Some(index) => load(index, &names)?,
            None if names.is_empty() => Vec::new(),
            None => {
                return Err(Failure::cannot_judge(format!(
                    "no modules of {} were found, neither in its build tree nor in /lib/modules, and these are needed: {}",
                    image.release,
                    names.join(", ")
                )));
            }
        };
        let slowness = config.map_or(1.0, |config| {
            SLOW.iter()
                .filter(|(symbol, _)| config.is_on(symbol))
                .map(|(_, factor)| factor)
                .product()
        });
        Ok(Self {
            image,
            transport,
            modules,
            warning,
            slowness,
        })
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
