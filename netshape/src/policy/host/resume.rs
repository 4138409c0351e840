//! Going on with what another process divided, and where what containers send is counted.

use super::layout::{ONLY, OWN};
use super::slot::Slot;
use super::wanted::Host;
use crate::object::{DevName, Handle};
use crate::observe::state::ObservedState;
use crate::plan::ownership::major;
use crate::policy::direction::Direction;
use crate::unit::Rate;
use alloc::vec::Vec;

impl Host {
    /// Whether a container has a class on the uplink in one direction, so that its share there can be divided.
    #[must_use]
    pub fn shares_uplink(&self, slot: Slot, direction: Direction) -> bool {
        self.member(slot)
            .is_some_and(|m| self.shared(&m.container, direction).is_some())
    }

    /// The queue that all packets of one direction of a container pass: that of its class on the uplink where it has one, else the
    /// one on its own device. Its counters are what the container used.
    #[must_use]
    pub fn queue_of(&self, slot: Slot, direction: Direction) -> Option<(DevName, Handle)> {
        if self.shares_uplink(slot, direction) {
            let minor = self.member(slot)?.minor;
            return Some((self.uplink_device(direction)?, Handle::qdisc(minor)));
        }
        Some((self.device(slot, direction)?, Handle::qdisc(ONLY)))
    }

    /// What elastic division gives a container in one direction now ([`Host::allocate`]).
    #[must_use]
    pub fn allocated(&self, slot: Slot, direction: Direction) -> Option<Rate> {
        let member = self.member(slot)?;
        member.allocated.get(direction as usize).copied().flatten()
    }

    /// Takes over what elastic division gave to the classes of the observed uplink, so that plans leave it as it is. Returns what was
    /// taken over; a divider is told by [`Elastic::resume`](crate::elastic::Elastic::resume). O(n log n).
    pub fn resume(&mut self, observed: &ObservedState) -> Vec<(Slot, Direction, Rate)> {
        let both = [Direction::Ingress, Direction::Egress];
        let mut found = Vec::new();
        for (slot, container) in self.containers() {
            for direction in both {
                let Some(shape) = self.shared(container, direction) else {
                    continue;
                };
                let seen = self.uplink_device(direction);
                let seen = seen.and_then(|name| observed.device(&name));
                let class = self.member(slot).and_then(|m| {
                    let root = major(seen, OWN);
                    seen?.class(Handle::new(root, m.minor))
                });
                let ceil = class.map(|c| Rate::from_bytes_per_second(c.htb.ceil.bytes_per_second));
                if let Some(ceil) = ceil.filter(|c| (shape.promised()..shape.ceiling()).contains(c))
                {
                    found.push((slot, direction, ceil));
                }
            }
        }
        for (slot, direction, rate) in &found {
            self.allocate(*slot, *direction, Some(*rate));
        }
        found
    }
}
