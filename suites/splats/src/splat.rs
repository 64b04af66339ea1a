//! A splat, as reports show it.

use crate::{Class, Severity};
use serde::{Deserialize, Serialize};

/// One error report of a kernel. One event gives one splat: an oops with its `BUG:` line before and the panic that it
/// led to is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splat {
    /// What kind it is.
    pub class: Class,
    /// What to call it: without addresses, process ids, CPU numbers and offsets, so that it is the same the next time.
    pub title: String,
    /// 12 hexadecimal digits over class, kind and the first functions that matter: the same for the same bug, also in
    /// another build of the kernel.
    pub fingerprint: String,
    /// How bad it is.
    pub severity: Severity,
    /// Its first line in the input, from 1.
    pub first_line: u64,
    /// Its last line in the input.
    pub last_line: u64,
    /// What the kernel said of it beside the title, such as the text of a `WARN()`; bounded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// The kernel that says it, where it says which: its release and the number of its build, `6.12.3 #7`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kernel: Option<String>,
    /// Why the kernel panicked over it, if it did: the words behind `Kernel panic - not syncing: `.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub panic: Option<String>,
    /// Its stack, innermost first; bounded.
    #[serde(default)]
    pub frames: Vec<Frame>,
}

/// An entry of a stack trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The function as the kernel prints it, with suffixes such as `.isra.0`.
    pub function: String,
    /// Bytes from the function's beginning; none in a trace that was decoded already.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<u64>,
    /// Bytes of the function.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
    /// The module it is in; none for the kernel proper.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub module: Option<String>,
    /// Whether the unwinder found it on the stack without being sure of it (`?`).
    pub doubtful: bool,
    /// Whether it is where the CPU was (`RIP:`, `pc :`), and no return address.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub exact: bool,
    /// Source lines, innermost inlined function first; empty unless they were looked up.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub locations: Vec<Location>,
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The function, inlined into the next one unless it is the last.
    pub function: String,
    /// Path of the file, relative to the source tree where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
}

impl std::fmt::Display for Frame {
    /// As the kernel prints it: `? func+0x12/0x34 [module]`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.doubtful {
            f.write_str("? ")?;
        }
        f.write_str(&self.function)?;
        if let (Some(offset), Some(size)) = (self.offset, self.size) {
            write!(f, "+{offset:#x}/{size:#x}")?;
        }
        match &self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}
