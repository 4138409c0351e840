//! `EndpointSlice` hints: which zones' traffic an endpoint is meant for.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::endpoint::MAX_HINTS;
use crate::error::InputError;
use crate::id::ZoneId;

/// Zones by record index; few endpoints have any.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints(BTreeMap<u32, Vec<ZoneId>>);

impl Hints {
    /// Gives an endpoint these hints, at most [`MAX_HINTS`]; none takes them back.
    pub(super) fn set(&mut self, index: u32, zones: &[ZoneId]) -> Result<(), InputError> {
        if zones.len() > MAX_HINTS {
            return Err(InputError::Hints { given: zones.len() });
        }
        if zones.is_empty() {
            self.remove(index);
        } else {
            self.0.insert(index, zones.to_vec());
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, index: u32) {
        self.0.remove(&index);
    }

    /// The zones that an endpoint's hints name.
    pub(super) fn of(&self, index: u32) -> &[ZoneId] {
        self.0.get(&index).map_or(&[], Vec::as_slice)
    }

    /// How many endpoints' hints name a zone.
    pub(super) fn naming(&self, zone: ZoneId) -> usize {
        self.0
            .values()
            .filter(|zones| zones.contains(&zone))
            .count()
    }
}
