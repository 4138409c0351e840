//! What must be true of the workloads' records and lists among themselves.

use super::{WHILE_MOVING, Workloads};
use crate::check::{Broken, ensure};
use crate::pool::cells::State;
use crate::spots::Spot;
use crate::state::NONE;
use alloc::format;

impl Workloads {
    /// Checks that indices, lists and records agree, told the tag of a key, the state of an address and its number.
    pub(crate) fn check(
        &self,
        tag: impl Fn(&str) -> u32,
        state: impl Fn(Spot) -> Option<State>,
        number: impl Fn(Spot) -> u128,
    ) -> Result<(), Broken> {
        ensure!(
            self.directory.is_consistent(tag),
            "a workload is not found by its name"
        );
        self.ids().try_for_each(|id| self.check_record(id))?;
        ensure!(
            self.sticky.is_consistent() && self.apart.is_consistent(),
            "the expiry queue is not in order"
        );
        for (id, _) in self.sticky.iter() {
            ensure!(
                self.directory.get(id).is_some(),
                "workload record {id} has an expiry and is gone"
            );
        }
        for (id, spot, until) in self.apart.iter() {
            let known = self.directory.get(id).is_some();
            let waits = until == WHILE_MOVING;
            ensure!(
                known && (!waits || self.is_moving(id)),
                "workload record {id} retains {spot:?} until {until}"
            );
        }
        for (&id, extra) in &self.extra {
            for spot in extra.iter() {
                let state = state(spot);
                ensure!(
                    extra.is_idle(spot, number(spot)) == (state == Some(State::Retained(id))),
                    "of what is reserved to workload record {id}, {state:?} is taken for idle or is not"
                );
            }
        }
        Ok(())
    }

    fn check_record(&self, id: u32) -> Result<(), Broken> {
        let Some((workload, name)) = self.directory.get(id).zip(self.directory.name(id)) else {
            return Ok(());
        };
        let reserves = self.reserved(id).next().is_some();
        ensure!(
            workload.fixed() == reserves,
            "`{name}` has a reservation of nothing"
        );
        let idle = workload.head() == NONE && self.retained(id).next().is_none();
        ensure!(
            !idle || self.is_moving(id),
            "`{name}` has nothing and still has a record"
        );
        let expires = self.sticky.get(id).is_some();
        let retains = !workload.fixed() && !workload.spots.is_empty();
        ensure!(
            expires == retains,
            "`{name}` retains {retains}, expires {expires}"
        );
        Ok(())
    }
}
