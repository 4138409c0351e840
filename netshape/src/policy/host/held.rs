//! Containers whose section of the policy is refused: what they have in the kernel stays as it is.

use super::layout::OWN;
use super::member::TierClass;
use super::member::Touch;
use super::wanted::Host;
use crate::object::{Class, DevName, Device, Handle, QdiscKind};
use crate::observe::state::ObservedState;
use crate::plan::ownership::major;
use crate::policy::container::Container;
use crate::policy::direction::Direction;
use crate::policy::limits::MIN_CLASS_RATE;
use crate::unit::Rate;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What one such container has.
#[derive(Clone, Debug, Default)]
struct Holding {
    /// Its class on the uplink.
    minor: Option<u16>,
    devices: Vec<DevName>,
    /// What its classes on the uplink have, by direction, and the minor numbers of the classes above.
    rates: [Rate; 2],
    parents: [Option<u16>; 2],
}

const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    by_id: BTreeMap<Arc<str>, Holding>,
    /// Something is refused of which nobody can say where it is: nothing may be removed.
    everything: bool,
    /// One that is held is shaped somewhere, and not where its section says: its tree may be in any namespace.
    namespaces: bool,
}

impl Held {
    /// Whether nothing at all may be removed.
    pub(crate) const fn everything(&self) -> bool {
        self.everything
    }

    /// Whether nothing may be removed in the namespaces of containers.
    pub(crate) const fn namespaces(&self) -> bool {
        self.namespaces
    }

    /// The devices that stay as they are, unless a container that was admitted has them.
    pub(crate) fn devices(&self) -> BTreeSet<&DevName> {
        self.by_id.values().flat_map(|h| &h.devices).collect()
    }

    /// The classes on the uplink that stay, by minor number, and whose they are.
    pub(crate) fn minors(&self) -> impl Iterator<Item = (u16, &Arc<str>)> {
        self.by_id.iter().filter_map(|(id, h)| Some((h.minor?, id)))
    }

    /// What these classes have in all in one direction, save one container's. What stands for no guarantee counts as none.
    pub(crate) fn rate_beside(&self, id: &str, direction: Direction) -> Rate {
        let others = self.by_id.iter().filter(|(i, _)| &***i != id);
        let rates = others.filter_map(|(_, h)| h.rates.get(direction as usize).copied());
        let rates = rates.filter(|r| *r > MIN_CLASS_RATE);
        rates.fold(Rate::ZERO, Rate::saturating_add)
    }
}

impl Host {
    /// Leaves a container as it is: its section is refused, and a mistake in it must not take away what is there. Neither its
    /// devices (by either method) nor its class on the uplink are changed or removed, until it is admitted ([`Host::insert`]) or
    /// removed ([`Host::remove`]). Shapes are not looked at. `had` is its class number, where it is not drawn from the id;
    /// what that class has on the observed uplink counts as taken when others ask for more than they have.
    pub fn hold(&mut self, container: &Container, had: Option<u16>, observed: &ObservedState) {
        let mut holding = Holding {
            devices: container.places(),
            ..Holding::default()
        };
        if let Some(old) = self.held.by_id.remove(&container.id) {
            holding.devices.extend(old.devices);
            (holding.minor, holding.rates, holding.parents) = (old.minor, old.rates, old.parents);
        } else if !self.by_id.contains_key(&container.id) {
            // Without a number left there is no class either.
            holding.minor = self.numbers.take(&container.id, had).ok();
            self.held_rates(&mut holding, observed);
            self.held.namespaces |= self.shaped_elsewhere(container, &holding, observed);
        }
        self.held.by_id.insert(container.id.clone(), holding);
    }

    /// Something is refused that does not even say which devices it is about: plans remove nothing on this host.
    pub fn hold_everything(&mut self) {
        self.held.everything = true;
    }

    /// Ends holding a container; its class number, if it had one, is its own again.
    pub(super) fn unhold(&mut self, id: &str) -> Option<u16> {
        let holding = self.held.by_id.remove(id)?;
        self.account_held(&holding, false);
        if let Some(minor) = holding.minor {
            self.numbers.give_back(minor);
        }
        holding.minor
    }

    /// Whether a container has a class on the observed uplink, as far as that tells, and no tree where its section says
    /// that its egress is shaped, by either method.
    fn shaped_elsewhere(
        &self,
        container: &Container,
        has: &Holding,
        observed: &ObservedState,
    ) -> bool {
        if self.uplink.is_some() && has.rates == [Rate::ZERO; 2] {
            return false;
        }
        let veth = container.veth.clone().map(DevName::on_host);
        let mut ends = container
            .places()
            .into_iter()
            .filter(|p| Some(p) != veth.as_ref());
        !ends.any(|end| {
            let root = observed.device(&end).and_then(Device::root);
            root.is_some_and(|r| matches!(r.kind, QdiscKind::Htb(_)))
        })
    }

    fn held_rates(&mut self, holding: &mut Holding, observed: &ObservedState) {
        let Some(minor) = holding.minor else { return };
        for direction in BOTH {
            let class = self.uplink_class_seen(direction, minor, observed);
            let Some((class, i)) = class.map(|c| (c, direction as usize)) else {
                continue;
            };
            let rate = Rate::from_bytes_per_second(class.htb.rate.bytes_per_second);
            if let (Some(r), Some(p)) = (holding.rates.get_mut(i), holding.parents.get_mut(i)) {
                (*r, *p) = (rate, Some(class.parent.minor()));
            }
        }
        self.account_held(holding, true);
    }

    /// A class of the observed uplink, by minor number.
    fn uplink_class_seen<'a>(
        &self,
        direction: Direction,
        minor: u16,
        observed: &'a ObservedState,
    ) -> Option<&'a Class> {
        let seen = observed.device(&self.uplink_place(direction)?)?;
        seen.class(Handle::new(major(Some(seen), OWN), minor))
    }

    /// Adds what a held container's classes have to the classes above them, or takes it off.
    fn account_held(&mut self, holding: &Holding, comes: bool) {
        for (direction, (rate, parent)) in BOTH
            .into_iter()
            .zip(holding.rates.into_iter().zip(holding.parents))
        {
            if rate.is_zero() {
                continue;
            }
            if direction == Direction::Ingress {
                self.count_ingress(comes);
            }
            let above = |t: &&mut TierClass| Some(t.minor) == parent;
            let tier = self.tiers.iter_mut().find(above);
            if let Some(sum) = tier.and_then(|t| t.promised.get_mut(direction as usize)) {
                *sum = match comes {
                    true => sum.saturating_add(rate),
                    false => sum.saturating_sub(rate),
                };
            }
            self.touched.push(Touch::Uplink);
        }
    }

    /// Where nothing may be removed: tiers hold what is below them and not wanted, too.
    pub(crate) fn make_room(&self, seen: &Device, wanted: &mut Device) {
        let stays = |c: &&Class| wanted.class(c.id).is_none();
        let stays: Vec<Class> = seen.classes().iter().filter(stays).copied().collect();
        for class in stays {
            let tier = self.tiers.iter().any(|t| t.minor == class.parent.minor());
            let Some(above) = wanted.class(class.parent).copied().filter(|_| tier) else {
                continue;
            };
            let more = class.htb.rate.bytes_per_second;
            let rate = above.htb.rate.bytes_per_second.saturating_add(more);
            let htb = self.resized(&above.htb, Rate::from_bytes_per_second(rate));
            wanted.put_class(Class { htb, ..above });
        }
    }

    /// What a container's classes on the observed uplink have, where they are there, by direction.
    #[cfg(feature = "serde")]
    pub(crate) fn has(&self, id: &str, had: Option<u16>, observed: &ObservedState) -> [Rate; 2] {
        let minor = had.unwrap_or_else(|| super::numbers::drawn(id));
        BOTH.map(|direction| {
            let class = self.uplink_class_seen(direction, minor, observed);
            let rate = class.map(|c| Rate::from_bytes_per_second(c.htb.rate.bytes_per_second));
            // What stands for no guarantee is none.
            rate.filter(|r| *r > MIN_CLASS_RATE).unwrap_or_default()
        })
    }
}
