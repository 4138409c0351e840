//! The sums of guarantees: HTB lets children exceed their parent, so admission must not.

use crate::policy::direction::Direction;
use crate::policy::refusal::RefusalKind;
use crate::policy::uplink::Uplink;
use crate::unit::Rate;

/// What is promised, by direction, and the bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promised {
    sums: [Rate; 2],
    /// Sum of the rates of containers' classes on the uplink, by direction: guarantees, and the little that HTB needs where there is none.
    pub(super) rates: [Rate; 2],
    bounds: Option<[Rate; 2]>,
}

impl Promised {
    pub(super) fn new(uplink: Option<&Uplink>) -> Self {
        Self {
            sums: [Rate::ZERO; 2],
            rates: [Rate::ZERO; 2],
            bounds: uplink.map(|u| {
                let both = [Direction::Ingress, Direction::Egress];
                both.map(|d| u.carries(d).saturating_sub(u.reserve))
            }),
        }
    }

    pub(super) fn sum(&self, direction: Direction) -> Rate {
        self.sums
            .get(direction as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Whether `requested` still fits in beside what was promised and what is `kept` by those that were refused.
    pub(super) fn fits(
        &self,
        direction: Direction,
        requested: Rate,
        kept: Rate,
    ) -> Result<(), RefusalKind> {
        let bounds = self.bounds.as_ref();
        let Some(parent) = bounds.and_then(|b| b.get(direction as usize)).copied() else {
            return Ok(());
        };
        let promised = self.sum(direction).saturating_add(kept);
        let sum = promised.saturating_add(requested);
        if sum > parent {
            let parent_name = "uplink less reserve";
            return Err(RefusalKind::OverParent {
                parent_name,
                sum,
                promised,
                requested,
                parent,
            });
        }
        Ok(())
    }

    pub(super) fn change(&mut self, direction: Direction, rate: Rate, more: bool) {
        if let Some(sum) = self.sums.get_mut(direction as usize) {
            *sum = if more {
                sum.saturating_add(rate)
            } else {
                sum.saturating_sub(rate)
            };
        }
    }
}
