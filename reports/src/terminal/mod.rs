//! What a person sees while a run goes on and at its end, on standard error.

mod evidence;
mod format;
mod progress;
mod screen;
mod streamed;
mod style;
mod view;

pub use streamed::Stream;
pub use view::{Show, Terminal, TerminalOptions};
