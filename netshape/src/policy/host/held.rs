//! Containers whose section of the policy is refused: what they have in the kernel stays as it is.

use super::layout::OWN;
use super::member::TierClass;
use super::member::Touch;
use super::wanted::Host;
use crate::object::{Class, DevName, Device, Handle, QdiscKind};
use crate::observe::state::ObservedState;
use crate::plan::ownership::major;
use crate::policy::container::Container;
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
    /// What its class on the uplink has, and the minor number of the class above.
    rate: Rate,
    parent: Option<u16>,
}

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

    /// What these classes have in all, save one container's. What stands for no guarantee counts as none.
    pub(crate) fn rate_beside(&self, id: &str) -> Rate {
        let others = self.by_id.iter().filter(|(i, _)| &***i != id);
        let rates = others.map(|(_, h)| h.rate).filter(|r| *r > MIN_CLASS_RATE);
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
            (holding.minor, holding.rate, holding.parent) = (old.minor, old.rate, old.parent);
        } else if !self.by_id.contains_key(&container.id) {
            // Without a number left there is no class either.
            holding.minor = self.numbers.take(&container.id, had).ok();
            self.held_rate(&mut holding, observed);
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
        if self.uplink.is_some() && has.rate.is_zero() {
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

    fn held_rate(&mut self, holding: &mut Holding, observed: &ObservedState) {
        let Some(uplink) = &self.uplink else { return };
        let Some(seen) = observed.device(&DevName::on_host(uplink.dev.clone())) else {
            return;
        };
        let major = major(Some(seen), OWN);
        let class = holding
            .minor
            .and_then(|m| seen.class(Handle::new(major, m)));
        let Some(class) = class else { return };
        holding.rate = Rate::from_bytes_per_second(class.htb.rate.bytes_per_second);
        holding.parent = Some(class.parent.minor());
        self.account_held(holding, true);
    }

    /// Adds what a held class has to the classes above it, or takes it off.
    fn account_held(&mut self, holding: &Holding, comes: bool) {
        if holding.rate.is_zero() {
            return;
        }
        let sum = |sum: Rate| match comes {
            true => sum.saturating_add(holding.rate),
            false => sum.saturating_sub(holding.rate),
        };
        let above = |t: &&mut TierClass| Some(t.minor) == holding.parent;
        if let Some(tier) = self.tiers.iter_mut().find(above) {
            tier.promised = sum(tier.promised);
        }
        self.touched.push(Touch::Uplink);
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

    /// What a container's class on the observed uplink has, if it is there.
    #[cfg(feature = "serde")]
    pub(crate) fn has(&self, id: &str, had: Option<u16>, observed: &ObservedState) -> Rate {
        let found = || {
            let uplink = self.uplink.as_ref()?;
            let seen = observed.device(&DevName::on_host(uplink.dev.clone()))?;
            let minor = had.unwrap_or_else(|| super::numbers::drawn(id));
            let major = major(Some(seen), OWN);
            seen.class(Handle::new(major, minor))
        };
        let rate = found().map(|c| Rate::from_bytes_per_second(c.htb.rate.bytes_per_second));
        // What stands for no guarantee is none.
        rate.filter(|r| *r > MIN_CLASS_RATE).unwrap_or_default()
    }
}
