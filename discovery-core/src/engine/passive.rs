//! What callers report, judged service by service.

use alloc::vec::Vec;

use super::Engine;
use crate::effect::Effect;
use crate::error::InputError;
use crate::health::Outcome;
use crate::id::EndpointId;
use crate::time::Timestamp;

impl Engine {
    pub(super) fn called(
        &mut self,
        _now: Timestamp,
        id: EndpointId,
        _outcome: Outcome,
        _count: u32,
        _out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let index = self.living(id)?;
        let Some(record) = self.records.get(index) else {
            return Ok(());
        };
        if let Some(service) = self.services.get_mut(record.service.index()) {
            service.busy = true;
        }
        Ok(())
    }

    pub(super) fn start_judging(&mut self, _now: Timestamp, _service: u32) {}

    pub(super) fn judge(
        &mut self,
        _now: Timestamp,
        _at: Timestamp,
        _service: u32,
        _out: &mut Vec<Effect>,
    ) {
    }
}
