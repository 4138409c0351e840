//! From the policy to the exact tree: the figures of every qdisc and class.
//!
//! A veth's own tree: `be:` HTB, default `be:10`; class `be:10` with rate = ceiling; leaf `10:`.
//! The uplink's: `be:` HTB, default `be:2`; `be:1` the capacity; below it `be:2` for the host itself, one class per tier,
//! and below its tier (or `be:1`) one class per container with its guarantee or floor, its ceiling, and a leaf.

use super::layout::MAJOR;
use super::layout::ONLY;
use super::layout::OWN;
use super::layout::WHOLE;
use super::member::{Member, TierClass};
use super::slot::Slot;
use super::wanted::Host;
use super::weight::{On, gso};
use crate::object::{
    Class, DevName, Device, FqCodel, Handle, Htb, HtbClass, Qdisc, QdiscKind, RateSpec,
};
use crate::policy::direction::Direction;
use crate::policy::limits::{MIN_CEILING, default_burst, leaf_limit};
use crate::policy::shape::Shape;
use crate::policy::uplink::Uplink;
use crate::ticks::most_bytes;
use crate::unit::{Bytes, Rate};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What the host's own class has at least: HTB needs a rate.
const OWN_LEAST: Rate = Rate::kbit(8);

/// GSO packets that a queue has room for where classes share: one that is empty when its class's turn comes loses the turn, and with
/// it the weight. (Measured with weights 4:1 at 10 Mbit/s: the lighter one had 1.10 of its share with one packet, 1.01 with two.)
const SHARED_PACKETS: u32 = 2;
/// Greatest memory limit of `fq_codel`: the kernel takes more and keeps this.
const FQ_CODEL_MOST: u32 = 1 << 31;

impl Host {
    /// The names of all devices that are shaped, the uplink first.
    #[must_use]
    pub fn device_names(&self) -> Vec<DevName> {
        let uplink = [Direction::Egress, Direction::Ingress].map(|d| self.uplink_device(d));
        let mut names: Vec<DevName> = uplink.into_iter().flatten().collect();
        for member in self.members.iter().flatten() {
            let of = |d| self.device_of(member, d);
            names.extend(
                [Direction::Ingress, Direction::Egress]
                    .into_iter()
                    .filter_map(of),
            );
        }
        names
    }

    /// The wanted tree of a device; `None` if that is not shaped. For all devices at once, [`crate::plan::diff`] is cheaper.
    #[must_use]
    pub fn tree(&self, name: &DevName) -> Option<Device> {
        let mut device = Device::new();
        let gso = gso(self.caps.gso_max_size);
        let on = On {
            major: MAJOR,
            gso,
            alone: gso,
        };
        if let Some(direction) = self.uplink_direction(name) {
            self.uplink_tree(direction, on, &mut device);
            return Some(device);
        }
        let (slot, direction) = self.shaped_by(name)?;
        self.veth_tree(slot, direction, on, &mut device);
        Some(device)
    }

    /// Whose direction a device shapes.
    pub(crate) fn shaped_by(&self, name: &DevName) -> Option<(Slot, Direction)> {
        let both = [Direction::Ingress, Direction::Egress];
        self.containers().find_map(|(slot, _)| {
            let found = |d: &Direction| self.device(slot, *d).as_ref() == Some(name);
            Some((slot, both.into_iter().find(found)?))
        })
    }

    /// Writes the tree of one direction's own device.
    pub(crate) fn veth_tree(&self, slot: Slot, direction: Direction, on: On, into: &mut Device) {
        into.clear();
        let Some(member) = self.member(slot) else {
            return;
        };
        let Some(shape) = member.container.shape(direction) else {
            return;
        };
        let given = match self.shared(&member.container, direction) {
            // The uplink's class carries the allocation already.
            Some(_) => None,
            None => member.allocated.get(direction as usize).copied().flatten(),
        };
        let rate = allowed(shape, given);
        into.put_qdisc(root(on, ONLY));
        let id = Handle::new(on.major, ONLY);
        let htb = self.class(shape.burst(), rate, rate, on.alone, 0);
        into.put_class(Class {
            id,
            parent: Handle::qdisc(on.major),
            htb,
        });
        into.put_qdisc(self.leaf(id, shape.ceiling(), on.gso));
    }

    /// Writes the uplink's tree for one direction.
    pub(crate) fn uplink_tree(&self, direction: Direction, on: On, into: &mut Device) {
        into.clear();
        let Some(uplink) = &self.uplink else { return };
        for class in self.fixed_classes(uplink, direction, on) {
            into.put_class(class);
        }
        for (minor, slot) in self.by_minor.iter() {
            let member = self.member(slot);
            let Some(class) = member.and_then(|m| self.member_class(uplink, m, direction, on))
            else {
                continue;
            };
            into.put_class(class);
            if let Some(leaf) = self.uplink_leaf(direction, minor, on) {
                into.put_qdisc(leaf);
            }
        }
        let own = Handle::new(on.major, OWN);
        into.put_qdisc(self.leaf(own, uplink.carries(direction), SHARED_PACKETS * on.gso));
        into.put_qdisc(root(on, OWN));
    }

    /// One class of the uplink's tree by minor number, if it is wanted.
    pub(crate) fn uplink_class(&self, direction: Direction, minor: u16, on: On) -> Option<Class> {
        let uplink = self.uplink.as_ref()?;
        if let Some(slot) = self.by_minor.get(minor) {
            return self.member_class(uplink, self.member(slot)?, direction, on);
        }
        self.fixed_classes(uplink, direction, on)
            .into_iter()
            .find(|c| c.id.minor() == minor)
    }

    /// The leaf of the host's own or one container's class on the uplink.
    pub(crate) fn uplink_leaf(&self, direction: Direction, minor: u16, on: On) -> Option<Qdisc> {
        let class = Handle::new(on.major, minor);
        let capacity = self.uplink.as_ref()?.carries(direction);
        if minor == OWN {
            return Some(self.leaf(class, capacity, SHARED_PACKETS * on.gso));
        }
        let container = &self.member(self.by_minor.get(minor)?)?.container;
        let ceiling = self.shared(container, direction)?.ceiling().min(capacity);
        Some(self.leaf(class, ceiling, SHARED_PACKETS * on.gso))
    }

    /// The rate of the class for the whole uplink: its capacity. Where all is promised, those without a guarantee and the host's
    /// own class still have a rate, and the whole must hold that too.
    pub(super) fn whole_rate(&self, direction: Direction) -> Rate {
        let Some(uplink) = &self.uplink else {
            return Rate::ZERO;
        };
        let own = uplink.reserve.max(OWN_LEAST);
        let rates = self.promised.rates.get(direction as usize).copied();
        let all = rates.unwrap_or_default().saturating_add(own);
        uplink.carries(direction).max(all)
    }

    /// The classes that are no container's: the whole, the host's own, the tiers that have members.
    fn fixed_classes(&self, uplink: &Uplink, direction: Direction, on: On) -> Vec<Class> {
        let (whole, ceil) = (self.whole_rate(direction), uplink.carries(direction));
        let at = |minor, parent, htb| Class {
            id: Handle::new(on.major, minor),
            parent,
            htb,
        };
        let (top, inner) = (Handle::qdisc(on.major), Handle::new(on.major, WHOLE));
        let own = uplink.reserve.max(OWN_LEAST);
        let mut classes = Vec::with_capacity(self.tiers.len() + 2);
        // The host's own traffic takes turns like the smallest weight. Inner classes take none; a quantum keeps HTB from warning.
        let turn = on.gso;
        classes.push(at(WHOLE, top, self.class(None, whole, whole, turn, 0)));
        classes.push(at(OWN, inner, self.class(None, own, ceil, turn, 0)));
        for TierClass {
            minor, promised, ..
        } in &self.tiers
        {
            let promised = promised.get(direction as usize).copied();
            if let Some(promised) = promised.filter(|p| !p.is_zero()) {
                let htb = self.class(None, promised, ceil, turn, 0);
                classes.push(at(*minor, inner, htb));
            }
        }
        classes
    }

    fn member_class(
        &self,
        uplink: &Uplink,
        member: &Member,
        direction: Direction,
        on: On,
    ) -> Option<Class> {
        let shape = self.shared(&member.container, direction)?;
        let given = member.allocated.get(direction as usize);
        let ceil = allowed(shape, given.copied().flatten()).min(uplink.carries(direction));
        let tier = member.tier.and_then(|t| self.tiers.get(usize::from(t)));
        let parent = Handle::new(on.major, tier.map_or(WHOLE, |t| t.minor));
        let quantum = self.quantum(member.weight, on.gso);
        let prio = u32::from(shape.priority());
        let rate = shape.promised().min(ceil);
        let htb = self.class(shape.burst(), rate, ceil, quantum, prio);
        Some(Class {
            id: Handle::new(on.major, member.minor),
            parent,
            htb,
        })
    }

    /// A queue below a leaf class, numbered like the class, with room for so many bytes of GSO packets.
    fn leaf(&self, class: Handle, ceiling: Rate, room: u32) -> Qdisc {
        let limit = leaf_limit(ceiling, room);
        let kind = if self.caps.fq_codel {
            // fq_codel counts its limit in packets and bounds bytes by memory.
            QdiscKind::FqCodel(Box::new(FqCodel {
                memory_limit: Some(limit.min(FQ_CODEL_MOST)),
                ..FqCodel::default()
            }))
        } else {
            QdiscKind::Bfifo(Some(limit))
        };
        Qdisc::new(Handle::qdisc(class.minor()), class, kind)
    }

    fn class(
        &self,
        burst: Option<Bytes>,
        rate: Rate,
        ceil: Rate,
        quantum: u32,
        prio: u32,
    ) -> HtbClass {
        let [r, c] = [rate, ceil].map(|r| r.max(MIN_CEILING).bytes_per_second());
        HtbClass {
            rate: RateSpec::plain(r),
            ceil: RateSpec::plain(c),
            buffer: self.ticks(burst, rate),
            cbuffer: self.ticks(burst, ceil),
            quantum,
            prio,
            level: 0,
        }
    }

    /// An inner class with another rate.
    pub(super) fn resized(&self, htb: &HtbClass, rate: Rate) -> HtbClass {
        let ceil = Rate::from_bytes_per_second(htb.ceil.bytes_per_second).max(rate);
        self.class(None, rate, ceil, htb.quantum, htb.prio)
    }

    /// The bucket of a rate in ticks. A declared burst that a small rate can't hold is cut to what it can.
    fn ticks(&self, burst: Option<Bytes>, rate: Rate) -> u32 {
        let rate = rate.max(MIN_CEILING);
        let bytes = burst.unwrap_or_else(|| default_burst(rate));
        let per_second = rate.bytes_per_second();
        // The older tc counts whole microseconds: a bucket that is over sooner would be none.
        let least = per_second.div_ceil(1_000_000);
        let bytes = bytes.0.clamp(least, most_bytes(per_second).max(least));
        let ticks = self.caps.tick_rounding.ticks(per_second, bytes);
        ticks.unwrap_or(u32::MAX)
    }
}

/// The root of a tree whose unclassified traffic goes to one of its classes.
pub(crate) fn root(on: On, default: u16) -> Qdisc {
    let kind = QdiscKind::Htb(Htb::with_default_class(default));
    Qdisc::new(Handle::qdisc(on.major), Handle::ROOT, kind)
}

/// What a direction may reach now: what it was given, no less than its guarantee, no more than its ceiling.
fn allowed(shape: &Shape, given: Option<Rate>) -> Rate {
    given.map_or(shape.ceiling(), |g| {
        g.max(shape.promised()).min(shape.ceiling())
    })
}
