//! Loading the kernel modules that the initramfs brings.

use std::fs::{self, File};
use std::path::Path;

use rustix::io::Errno;

/// Loads every file of `directory` in the order of the names, which is the order of dependencies, and
/// removes each: the initramfs is memory. Returns a sentence for each that did not load; whether that
/// matters shows when the thing it drives is needed.
pub fn load_all(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        // Everything is built in.
        return Vec::new();
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort_unstable();
    files.iter().filter_map(|file| load(file).err()).collect()
}

fn load(path: &Path) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = File::open(path).map_err(|e| format!("cannot open module {name}: {e}"))?;
    let loaded = match rustix::system::finit_module(&file, c"", 0) {
        // Built in, or loaded already.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => Err(format!(
            "cannot load module {name}: it needs a symbol of a module that is not loaded"
        )),
        Err(e) => Err(format!("cannot load module {name}: {e}")),
    };
    let _ = fs::remove_file(path);
    loaded
}
