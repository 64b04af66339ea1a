//! The machine's root where it is packed.

use super::{Machinery, cache_dir, host};
use crate::{
    cli::Failure,
    error_chain,
    packed::{self, Closure, Wanted},
    plan::Boot,
};
use std::path::{Path, PathBuf};
use suites::Test;

/// Refuses a machine with less memory than its kernel takes to come up.
///
/// # Errors
/// How much it takes.
pub fn enough(memory_mib: u64, boot: &Boot) -> Result<(), Failure> {
    let needed = boot.memory_needed();
    if memory_mib < needed {
        return Err(Failure::host(format!(
            "--memory {memory_mib}M is too little for this kernel and what goes with it: give it {needed}M or more"
        )));
    }
    Ok(())
}

impl Machinery<'_> {
    /// Packs what `tests` need into the initramfs, where the kernel sees the host's files in no other way. `further` are
    /// directories that the tests need, host and guest path.
    ///
    /// Returns what a person should know.
    ///
    /// # Errors
    /// When it cannot be read, or is more than fits into the machine's memory.
    pub fn pack(
        &mut self,
        tests: &[Test],
        further: &[(PathBuf, PathBuf)],
        cwd: &Path,
    ) -> Result<Vec<String>, Failure> {
        if self.boot.shared {
            return Ok(Vec::new());
        }
        let shares: Vec<_> = self.shares.iter().chain(further).cloned().collect();
        let compared: Vec<PathBuf> = self
            .known_files(tests)
            .iter()
            .filter_map(|file| Some(file.splitn(3, ':').nth(2)?.into()))
            .collect();
        let closure = Closure::of(
            tests,
            &Wanted {
                root: &self.root,
                shares: &shares,
                env: &self.env,
                cwd: self.cwd(cwd),
                files: &compared,
            },
        )
        .map_err(host("find what the tests need"))?;
        let packed = packed::pack(&closure.tree, cache_dir().as_deref())
            .map_err(|e| Failure::host(error_chain(&e)))?;
        self.boot.append(&packed);
        enough(self.memory_mib, &self.boot)?;
        let mut said: Vec<String> = closure.warnings.into_iter().collect();
        said.insert(
            0,
            format!(
                "{} files, {} MiB, are packed into the initramfs: a test that looks for another file of the host does not find it",
                closure.tree.entries.len(),
                packed.len().div_ceil(1 << 20)
            ),
        );
        Ok(said)
    }
}
