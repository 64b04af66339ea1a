//! What a run needs of the kernel, option by option, and what to say of those that are missing.

use crate::machine::{Nesting, Transport};

use super::{
    config::{KernelConfig, Setting},
    modules::ModuleIndex,
};
use std::fmt::Write;

/// How the kernel comes to its virtio devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// It finds them on PCI.
    Pci,
    /// ACPI tables name memory-mapped ones (`LNRO0005`, `drivers/virtio/virtio_mmio.c`).
    MmioByAcpi,
    /// The kernel command line names memory-mapped ones.
    MmioByCommandLine,
}

/// One thing a run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The option, without `CONFIG_`.
    pub symbol: &'static str,
    /// Options that it depends on: without them `make olddefconfig` takes it out again.
    pub parents: &'static [&'static str],
    /// The module that serves as well. With `None` only `=y` will do.
    pub module: Option<&'static str>,
    /// Whether nothing can be run without it; otherwise something is lost.
    pub fatal: bool,
    /// What it is for, or what is lost without it.
    pub why: &'static str,
    /// Which machines need it.
    pub of: Of,
}

/// What a machine will be, as far as its kernel has to have something for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands {
    /// How the kernel comes to its virtio devices.
    pub attachment: Attachment,
    /// Whose virtualization it is given, if any.
    pub nesting: Option<Nesting>,
    /// Whether the host's files reach it over 9P.
    pub shared: bool,
}

/// Which machines need something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// All.
    Every,
    /// Those whose kernel comes to its devices in this way.
    Attachment(Attachment),
    /// Those that see the host's files over 9P.
    Shared,
    /// Those with machines inside, whoever's virtualization it is.
    Nested,
    /// Those with machines inside that this virtualization runs.
    Nesting(Nesting),
}

const fn fatal(symbol: &'static str, parents: &'static [&'static str], why: &'static str) -> Need {
    Need {
        symbol,
        parents,
        module: None,
        fatal: true,
        why,
        of: Of::Every,
    }
}

const fn degrades(
    symbol: &'static str,
    parents: &'static [&'static str],
    why: &'static str,
) -> Need {
    Need {
        fatal: false,
        ..fatal(symbol, parents, why)
    }
}

impl Need {
    const fn or_module(self, module: &'static str) -> Self {
        Self {
            module: Some(module),
            ..self
        }
    }

    const fn of(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn concerns(&self, machine: &Demands) -> bool {
        match self.of {
            Of::Every => true,
            Of::Attachment(only) => only == machine.attachment,
            Of::Shared => machine.shared,
            Of::Nested => machine.nesting.is_some(),
            Of::Nesting(only) => machine.nesting == Some(only),
        }
    }

    fn is_for_nesting(&self) -> bool {
        matches!(self.of, Of::Nested | Of::Nesting(_))
    }
}

/// Everything a run needs. Options that others select (`VIRTIO`, `NETFS_SUPPORT`) are not here: nobody can set them.
pub const NEEDS: &[Need] = &[
    fatal("64BIT", &[], "the guest's init is a 64-bit program"),
    fatal("BLK_DEV_INITRD", &[], "init comes in an initramfs"),
    fatal("BINFMT_ELF", &[], "programs are ELF files"),
    fatal("PROC_FS", &[], "init and most tests read /proc"),
    fatal("SYSFS", &[], "init finds its ports in /sys"),
    fatal("DEVTMPFS", &[], "the device nodes in /dev come from it"),
    fatal("TMPFS", &["SHMEM"], "what tests write goes to it"),
    fatal("FUTEX", &[], "every C library needs it"),
    fatal("EPOLL", &["EVENTFD"], "init waits with it"),
    fatal("SIGNALFD", &[], "init waits with it"),
    fatal("TIMERFD", &[], "init waits with it"),
    fatal(
        "VIRTIO_PCI",
        &["PCI", "VIRTIO_MENU"],
        "the machine's devices are virtio devices on PCI",
    )
    .or_module("virtio_pci")
    .of(Of::Attachment(Attachment::Pci)),
    fatal(
        "VIRTIO_MMIO",
        &["VIRTIO_MENU"],
        "the machine's devices are memory-mapped virtio devices",
    )
    .or_module("virtio_mmio")
    .of(Of::Attachment(Attachment::MmioByAcpi)),
    // As a module it would not see the devices that the kernel command line names.
    fatal(
        "VIRTIO_MMIO",
        &["VIRTIO_MENU"],
        "the machine's devices are memory-mapped virtio devices",
    )
    .of(Of::Attachment(Attachment::MmioByCommandLine)),
    fatal(
        "VIRTIO_MMIO_CMDLINE_DEVICES",
        &["VIRTIO_MENU", "VIRTIO_MMIO"],
        "the machine's memory-mapped devices are named on the command line",
    )
    .of(Of::Attachment(Attachment::MmioByCommandLine)),
    fatal(
        "VIRTIO_CONSOLE",
        &["TTY", "VIRTIO_MENU"],
        "commands and results travel over its ports",
    )
    .or_module("virtio_console"),
    fatal(
        "NET_9P_VIRTIO",
        &["NET", "NET_9P"],
        "the host's files reach the guest over it",
    )
    .or_module("9pnet_virtio")
    .of(Of::Shared),
    fatal(
        "9P_FS",
        &["NET", "NET_9P", "NETWORK_FILESYSTEMS"],
        "the host's files reach the guest over it",
    )
    .or_module("9p")
    .of(Of::Shared),
    fatal(
        "KVM",
        &["VIRTUALIZATION"],
        "with --nested the guest is to run machines",
    )
    .or_module("kvm")
    .of(Of::Nested),
    fatal(
        "KVM_AMD",
        &["VIRTUALIZATION", "KVM", "CPU_SUP_AMD"],
        "it drives the virtualization of the machine's processor, which is AMD's",
    )
    .or_module("kvm_amd")
    .of(Of::Nesting(Nesting::Svm)),
    fatal(
        "KVM_INTEL",
        &["VIRTUALIZATION", "KVM", "CPU_SUP_INTEL"],
        "it drives the virtualization of the machine's processor, which is Intel's",
    )
    .or_module("kvm_intel")
    .of(Of::Nesting(Nesting::Vmx)),
    degrades(
        "OVERLAY_FS",
        &[],
        "without it the root stays read-only, and only /tmp, /var/tmp and /run can be written",
    )
    .or_module("overlay"),
    degrades(
        "TMPFS_XATTR",
        &["TMPFS"],
        "without it directories of the root cannot be removed and made anew",
    ),
    degrades(
        "CGROUPS",
        &[],
        "without it processes that leave a test's session are harder to find",
    ),
    degrades("SMP", &[], "without it the guest has one CPU"),
    degrades(
        "PRINTK",
        &[],
        "without it there is no kernel log to judge by",
    ),
    degrades(
        "SERIAL_8250_CONSOLE",
        &["TTY", "SERIAL_8250"],
        "without it nothing is seen of a kernel that dies early",
    ),
    degrades(
        "BINFMT_SCRIPT",
        &[],
        "without it scripts cannot be started, and many tests are scripts",
    )
    .or_module("binfmt_script"),
    degrades(
        "UNIX98_PTYS",
        &["TTY"],
        "without it there are no pseudo-terminals",
    ),
    degrades("UNIX", &["NET"], "without it there are no local sockets"),
    degrades("INET", &["NET"], "without it there is no loopback network"),
];

/// The options that every run needs or is better with, each after those that it depends on and none twice, with what it is
/// for where it is not only depended on. Devices are on PCI, the bus that is taken where a kernel has both.
pub fn wanted() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let machine = Demands {
        attachment: Attachment::Pci,
        nesting: None,
        shared: true,
    };
    let needs = NEEDS.iter().filter(|need| need.concerns(&machine));
    let mut all: Vec<(&'static str, Option<&'static str>)> = Vec::new();
    for need in needs {
        let parents = need.parents.iter().map(|parent| (*parent, None));
        for (symbol, why) in parents.chain([(need.symbol, Some(need.why))]) {
            match all.iter_mut().find(|(known, _)| *known == symbol) {
                Some((_, known)) => *known = known.or(why),
                None => all.push((symbol, why)),
            }
        }
    }
    all.into_iter()
}

/// What is wrong with an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is off.
    Off,
    /// It is `m`, and the file of this module is not there.
    ModuleNotFound(&'static str),
    /// It is `m`, and only `y` will do.
    OnlyModule,
    /// There is no configuration to look at; this module is neither built in nor there.
    NowhereFound(&'static str),
}

/// An option that the kernel lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The need that is not met.
    pub need: &'static Need,
    /// In which way.
    pub cause: Cause,
    /// Those of its parents that are not `y` either; empty when there is no configuration to look at.
    pub parents: Vec<&'static str>,
}

/// What a kernel needs to be given, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Modules that must be loaded, without those that they depend on in turn.
    pub modules_to_load: Vec<&'static str>,
    /// Unmet needs, in the order of [`NEEDS`].
    pub missing: Vec<Missing>,
}

impl Needs {
    /// Whether tests can be run.
    #[must_use]
    pub fn can_run(&self) -> bool {
        !self.missing.iter().any(|missing| missing.need.fatal)
    }

    /// Whether the host's files cannot reach the kernel over 9P.
    #[must_use]
    pub fn lacks_9p(&self) -> bool {
        let of_shares = |missing: &Missing| missing.need.of == Of::Shared;
        self.missing.iter().any(of_shares)
    }
}

/// Compares [`NEEDS`] with the kernel of a machine.
///
/// Without a configuration, what `modules.builtin` and the module files say counts, and all else is taken to be there.
#[must_use]
pub fn check(
    config: Option<&KernelConfig>,
    modules: Option<&ModuleIndex>,
    machine: &Demands,
) -> Needs {
    let mut needs = Needs {
        modules_to_load: Vec::new(),
        missing: Vec::new(),
    };
    for need in NEEDS.iter().filter(|need| need.concerns(machine)) {
        match state(need, config, modules) {
            Ok(None) => {}
            Ok(Some(module)) => needs.modules_to_load.push(module),
            Err(cause) => needs.missing.push(Missing {
                need,
                cause,
                parents: config.map_or_else(Vec::new, |config| {
                    let off = |symbol: &&str| *config.get(symbol) != Setting::Yes;
                    need.parents.iter().copied().filter(off).collect()
                }),
            }),
        }
    }
    needs
}

/// Transports that a kernel can drive, best first; only [`Transport::Pci`] when there is no configuration to look at.
/// `mmio` is how memory-mapped devices would be named.
#[must_use]
pub fn possible(
    config: Option<&KernelConfig>,
    modules: Option<&ModuleIndex>,
    mmio: Attachment,
) -> Vec<Transport> {
    let drives = |attachment: Attachment| {
        // Few distributors name devices on the command line: that is not to be guessed.
        (config.is_some() || attachment == Attachment::Pci)
            && NEEDS
                .iter()
                .filter(|need| need.of == Of::Attachment(attachment))
                .all(|need| state(need, config, modules).is_ok())
    };
    [(Attachment::Pci, Transport::Pci), (mmio, Transport::Mmio)]
        .into_iter()
        .filter(|(attachment, _)| drives(*attachment))
        .map(|(_, transport)| transport)
        .collect()
}

/// Whether a need is met: as it is, by loading a module, or not.
fn state(
    need: &Need,
    config: Option<&KernelConfig>,
    modules: Option<&ModuleIndex>,
) -> Result<Option<&'static str>, Cause> {
    let builtin = |module| modules.and_then(|modules| modules.is_builtin(module));
    let found = |module| modules.is_some_and(|modules| modules.has(module));
    match (config.map(|config| config.get(need.symbol)), need.module) {
        (Some(Setting::Yes), _) => Ok(None),
        (Some(Setting::Module), Some(module)) if builtin(module) == Some(true) => Ok(None),
        (Some(Setting::Module), Some(module)) if found(module) => Ok(Some(module)),
        (Some(Setting::Module), Some(module)) => Err(Cause::ModuleNotFound(module)),
        (Some(Setting::Module), None) => Err(Cause::OnlyModule),
        (Some(Setting::No | Setting::Value(_)), _) => Err(Cause::Off),
        (None, None) => Ok(None),
        (None, Some(module)) if builtin(module) == Some(true) => Ok(None),
        (None, Some(module)) if found(module) => Ok(Some(module)),
        (None, Some(module)) if builtin(module) == Some(false) => Err(Cause::NowhereFound(module)),
        (None, Some(_)) => Ok(None),
    }
}

/// What is missing and the way out, as lines of text; `None` when nothing is.
///
/// `config` and `modules` are those that were checked.
#[must_use]
pub fn explain(
    missing: &[Missing],
    config: Option<&KernelConfig>,
    modules: Option<&ModuleIndex>,
) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let mut text = String::new();
    let (nested, others): (Vec<_>, Vec<_>) = missing.iter().partition(|m| m.need.is_for_nesting());
    let (fatal, degrading): (Vec<_>, Vec<_>) = others.into_iter().partition(|m| m.need.fatal);
    for (lines, heading) in [
        (fatal, "this kernel lacks what every run needs"),
        (nested, "this kernel lacks what --nested needs"),
        (degrading, "this kernel lacks what some tests need"),
    ] {
        if lines.is_empty() {
            continue;
        }
        let origin = config.map_or_else(String::new, |config| {
            format!(" (its configuration: {})", config.origin())
        });
        push(&mut text, format_args!("{heading}{origin}:"));
        for line in lines {
            push(&mut text, format_args!("  {}", describe(line, modules)));
        }
    }

    if missing
        .iter()
        .any(|m| matches!(m.cause, Cause::ModuleNotFound(_)))
    {
        push(
            &mut text,
            format_args!(
                "the missing modules come with `make modules` in the kernel's tree, then, unless the kernel is taken from there, \
                 `make modules_install`; or build the options in:"
            ),
        );
    }
    push(
        &mut text,
        format_args!("in the kernel's tree, set the options and build again:"),
    );
    let symbols = symbols(missing);
    let enable: String = symbols.iter().fold(String::new(), |mut line, symbol| {
        let _ = write!(line, " -e {symbol}");
        line
    });
    push(&mut text, format_args!("  scripts/config{enable}"));
    push(&mut text, format_args!("  make olddefconfig"));
    push(&mut text, format_args!("which sets in .config:"));
    for symbol in symbols {
        push(&mut text, format_args!("CONFIG_{symbol}=y"));
    }
    Some(text)
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

fn describe(missing: &Missing, modules: Option<&ModuleIndex>) -> String {
    let Missing { need, cause, .. } = missing;
    let (symbol, why) = (need.symbol, need.why);
    let place = || {
        modules.map_or_else(
            || "no modules of this kernel were found".into(),
            |modules| format!("it is not in {}", modules.dir().display()),
        )
    };
    match cause {
        Cause::Off => format!("CONFIG_{symbol} is not set: {why}"),
        Cause::OnlyModule => format!("CONFIG_{symbol} is m and has to be y: {why}"),
        Cause::ModuleNotFound(module) => {
            format!(
                "CONFIG_{symbol} is m and needs the module {module}, but {}: {why}",
                place()
            )
        }
        Cause::NowhereFound(module) => {
            format!(
                "CONFIG_{symbol}: the module {module} is not built in, and {}: {why}",
                place()
            )
        }
    }
}

/// The options to set: each missing one after its parents, none twice.
fn symbols(missing: &[Missing]) -> Vec<&'static str> {
    let mut symbols = Vec::new();
    for symbol in missing
        .iter()
        .flat_map(|m| m.parents.iter().copied().chain([m.need.symbol]))
    {
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    symbols
}

#[cfg(test)]
mod tests;
