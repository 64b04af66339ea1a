//! Splats in logs: every class, where each begins and ends, and what is none.

mod classes;
mod ends;
mod logs;
mod older;
mod properties;
mod recorded;
mod reports;
mod support;
