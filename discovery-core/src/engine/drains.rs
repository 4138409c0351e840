//! Names of endpoints that an operator drained, known now or not.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use crate::endpoint::MAX_DRAINS;
use crate::error::InputError;

/// The names, in order; at most [`MAX_DRAINS`].
#[derive(Clone, Debug, Default)]
pub(super) struct Drains(BTreeSet<Box<str>>);

impl Drains {
    /// Remembers, or no longer, that an endpoint is drained.
    pub(super) fn set(&mut self, name: &str, on: bool) -> Result<(), InputError> {
        if !on {
            self.0.remove(name);
        } else if !self.0.contains(name) {
            if self.0.len() >= MAX_DRAINS {
                return Err(InputError::Full { kind: "drains" });
            }
            self.0.insert(name.into());
        }
        Ok(())
    }

    /// Takes one over from a snapshot, which was an engine's own.
    pub(super) fn restore(&mut self, name: &str) {
        self.0.insert(name.into());
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        self.0.iter().map(|name| &**name)
    }
}
