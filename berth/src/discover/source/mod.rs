//! Where endpoints come from.

mod document;
mod file;
mod follow;
mod origin;
mod watch;

pub(super) use file::Told;
pub(super) use origin::{Ask, Origin};
