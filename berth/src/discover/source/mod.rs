//! Where endpoints come from.

mod document;
mod file;
mod follow;
mod watch;

pub(super) use file::{FileSource, Told};
