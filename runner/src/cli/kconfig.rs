//! `runner kconfig`.

use super::{Failure, args::SelectArgs};
use crate::{dispatch::Cancel, exit::Exit, kernel, plan};
use std::{fmt::Write as _, io::Write as _, path::Path};
use suites::Fragment;

/// Arguments of `runner kconfig`.
#[derive(Debug, clap::Args)]
pub struct KconfigArgs {
    #[command(flatten)]
    select: SelectArgs,
}

/// Runs `runner kconfig`: a fragment for a kernel's configuration on standard output.
pub fn run(args: &KconfigArgs) -> Result<Exit, Failure> {
    let cancel =
        Cancel::install().map_err(|e| Failure::host(format!("cannot catch signals: {e}")))?;
    let cwd = std::env::current_dir()
        .map_err(|e| Failure::host(format!("cannot find the current directory: {e}")))?;
    let selected = plan::fragment(&plan::Asked {
        args: &args.select,
        about: plan::About {
            path: args.select.kernel.as_deref(),
            ..plan::About::default()
        },
        root: Path::new("/"),
        env: &[],
        cwd: &cwd,
        // Nothing is built, and so nothing is kept.
        cache: Some(Path::new("/nonexistent")),
        cancel: &cancel,
    })?;
    let text = text(&selected);
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(Exit::Good),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Good),
        Err(e) => Err(Failure::host(format!("cannot write the fragment: {e}"))),
    }
}

/// The options of every run, then those of the selection.
fn text(selected: &Fragment) -> String {
    let mut text = String::from(
        "# Options for kernels that `runner` runs tests on. In the kernel's tree, with this as FRAGMENT:\n\
         #   scripts/kconfig/merge_config.sh .config FRAGMENT\n\
         # which says what could not be set, because something that it depends on is off.\n\n\
         # runner: every run\n",
    );
    let own: Vec<_> = kernel::wanted().collect();
    for (symbol, why) in &own {
        match why {
            Some(why) => writeln!(text, "CONFIG_{symbol}=y  # {why}"),
            None => writeln!(text, "CONFIG_{symbol}=y"),
        }
        .expect("writing to a string");
    }
    // What every run needs prevails.
    let mut rest = selected.clone();
    own.iter().for_each(|(symbol, _)| rest.remove(symbol));
    text.push_str(&rest.to_string());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_set_once() {
        let mut selected = Fragment::default();
        selected.read("CONFIG_NET=m\nCONFIG_VETH=m\n", "kselftest:net");
        let text = text(&selected);
        let mut set: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='))
            .map(|(symbol, _)| symbol)
            .collect();
        let all = set.len();
        set.sort_unstable();
        set.dedup();
        assert_eq!(set.len(), all, "{text}");
        assert!(
            text.contains("\n# kselftest:net\nCONFIG_VETH=m\n"),
            "{text}"
        );
        for symbol in ["NET", "VIRTIO_CONSOLE", "9P_FS", "OVERLAY_FS"] {
            assert!(text.contains(&format!("\nCONFIG_{symbol}=y")), "{text}");
        }
        assert!(!text.contains("KVM_INTEL"), "{text}");
    }
}
