//! What a line needs to be understood.

use super::error::TcError;
use super::words::Words;
use crate::ticks::TickRounding;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

/// Interface indices by device name (of [`parse_line_with_speeds`](crate::tc::parse_line_with_speeds) also speeds).
pub type IfIndexes = BTreeMap<String, u32>;

/// What one line needs to be understood.
pub(crate) struct Context<'a> {
    pub(crate) rounding: TickRounding,
    pub(crate) devices: &'a IfIndexes,
    /// Speeds in Mbit/s, of which rates in percent are taken.
    pub(crate) speeds: &'a IfIndexes,
}

impl Context<'_> {
    pub(super) fn ifindex(&self, dev: &str) -> Result<u32, TcError> {
        let found = self.devices.get(dev).copied().filter(|i| *i != 0);
        found.ok_or_else(|| TcError::no_device(dev))
    }
}

/// `dev NAME`, said once.
pub(super) fn set_device(place: &mut Option<String>, words: &mut Words<'_>) -> Result<(), TcError> {
    let name = words.value()?;
    if place.is_some() {
        return Err(TcError::duplicate("dev", name));
    }
    // The field that tc copies it into holds 15 characters; a longer name is no device's.
    *place = Some(name.to_string());
    Ok(())
}
