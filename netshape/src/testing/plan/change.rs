//! Containers that are wanted otherwise, refused, or planned by another process; filters of somebody else's in front of ours.

use super::{BOTH, World};
use crate::object::{
    Class, Filter, FilterKind, Handle, Mirred, Qdisc, QdiscKind, TcAction, U32, U32Key, U32Part,
    U32Sel,
};
use crate::plan::diff;
use crate::policy::{EgressPoint, RefusalKind};
use crate::{Container, DevName, Direction, Host, Tier};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

impl World {
    /// A container is to be shaped by the other method, or in fewer directions.
    pub(super) fn change(&mut self, n: u8, how: u8) {
        let id = format!("c{n}");
        let Some(slot) = self.host.slot(&id) else {
            return;
        };
        let Some(old) = self.host.container(slot).cloned() else {
            return;
        };
        let new = Container::new(&id, &format!("veth{n}"));
        let Ok(mut new) = new else { return };
        // Every other one has other addresses from now on.
        let other = if how & 8 == 0 { n } else { n ^ 0x40 };
        new = new
            .with_addresses(super::packets::addresses(other))
            .unwrap_or_else(|e| panic!("{e}"));
        let by_ifb = (old.inside == EgressPoint::Ifb) != how.is_multiple_of(2);
        if by_ifb {
            new = new
                .with_egress_point(EgressPoint::Ifb, "eth0")
                .unwrap_or_else(|e| panic!("{e}"));
        }
        for (i, direction) in BOTH.into_iter().enumerate() {
            let kept = how >> (i + 1) & 1 == 0;
            if let Some(shape) = old.shape(direction).filter(|_| kept) {
                new = new.with_shape(direction, *shape);
            }
        }
        let before = diff(self.kernel.state(), &self.host);
        match self.host.replace(new) {
            Ok(slot) => {
                let names = BOTH.into_iter().filter_map(|d| self.host.device(slot, d));
                names
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|n| self.put(n));
            }
            Err(_) => assert_eq!(before.ops, diff(self.kernel.state(), &self.host).ops),
        }
    }

    /// A container's section is refused from now on.
    pub(super) fn refuse(&mut self, n: u8) {
        let id = format!("c{n}");
        let Some(slot) = self.host.slot(&id) else {
            return;
        };
        let minor = self.host.class_of(slot).map(Handle::minor);
        if let Some(container) = self.host.remove(&id) {
            self.host.hold(&container, minor, self.kernel.state());
            self.held.insert(id, container);
        }
    }

    /// Another process: it knows the policy and what the kernel shows, and nothing of what was planned before.
    pub(super) fn restart(&mut self) {
        let old = &self.host;
        let tiers = [("gold", 4), ("bronze", 1)];
        let tiers = tiers.into_iter().filter_map(|(n, w)| Tier::new(n, w).ok());
        let host = Host::new(old.uplink().cloned(), tiers.collect(), *old.capabilities());
        let mut host = host.unwrap_or_else(|e| panic!("{e}"));
        for (id, container) in &self.held {
            let minors = old.held.minors();
            let minor = minors.filter(|(_, i)| ***i == **id).map(|(m, _)| m).next();
            host.hold(container, minor, self.kernel.state());
        }
        for (slot, container) in old.containers() {
            let minor = old.class_of(slot).map(Handle::minor);
            let has = BOTH.map(|d| old.entitlement(slot, d).map(|t| t.guarantee));
            let has = has.map(Option::unwrap_or_default);
            let come = host.insert_having(container.clone(), minor, has);
            assert!(come.is_ok(), "{come:?}");
        }
        self.host = host;
    }

    /// Somebody sends what comes from a container elsewhere, before or after our redirect.
    pub(super) fn in_front(&mut self, n: u8, how: u8) {
        let name = DevName::host(&format!("veth{n}"));
        let Some(mut device) = self.kernel.remove_device(&name) else {
            return;
        };
        if device.qdisc_at(Handle::INGRESS).is_none() {
            device.put_qdisc(Qdisc::new(
                Handle::INGRESS_QDISC,
                Handle::INGRESS,
                QdiscKind::Ingress,
            ));
        }
        let hook = device.qdisc_at(Handle::INGRESS).map(|q| q.kind.clone());
        let parent = match hook {
            Some(QdiscKind::Clsact) => Handle::HOOK_INGRESS,
            _ => Handle::INGRESS_QDISC,
        };
        let prio = u16::from(how % 3) + 1;
        let protocol = if how & 4 == 0 { 3 } else { 0x0800 };
        let rows = device.filters().iter().filter(|f| f.parent == parent);
        let same = rows.clone().find(|f| f.prio == prio);
        let fits = same.is_none_or(|f| f.protocol == protocol);
        // Each priority has a table of its own.
        let table = same.map_or(0x8000_0000 | u32::from(prio - 1) << 20, |f| {
            f.handle & 0xfff0_0000
        });
        let clash = same.is_none() && rows.clone().any(|f| f.handle & 0xfff0_0000 == table);
        if fits && !clash && table != 0 {
            let mirred = Mirred {
                action: 4,
                eaction: 1,
                ifindex: 1,
                ..Mirred::default()
            };
            let sel = U32Sel {
                flags: 1,
                keys: vec![U32Key::default()],
                ..U32Sel::default()
            };
            let row = |handle, parts| Filter {
                parent,
                chain: 0,
                prio,
                protocol,
                handle,
                kind: FilterKind::U32(Box::new(U32 { parts })),
            };
            let actions = U32Part::Actions(vec![TcAction::Mirred(mirred)]);
            device.put_filter(row(0, vec![]));
            device.put_filter(row(table, vec![U32Part::Divisor(1)]));
            let node = 0x800 | u32::from(how >> 3);
            device.put_filter(row(table | node, vec![actions, U32Part::Sel(sel)]));
        }
        self.kernel.put_device(name, device);
    }

    /// The classes of refused containers that the uplink has, as they are there.
    fn held_classes(&self, name: &DevName) -> Vec<Class> {
        let seen = self.kernel.device(name);
        let uplink = seen.filter(|_| self.host.uplink_direction(name).is_some());
        let minors = self.host.held.minors().map(|(minor, _)| minor);
        let class = |minor| uplink?.class(Handle::new(0xbe, minor)).copied();
        minors.filter_map(class).collect()
    }

    /// Whether a refused container's class hangs below a class of the uplink, which can't be moved then.
    pub(super) fn is_above_held(&self, name: &DevName, class: Handle) -> bool {
        let Some(seen) = self.kernel.device(name) else {
            return false;
        };
        self.held_classes(name).iter().any(|held| {
            let (mut at, mut steps) = (Some(*held), 0);
            while let Some(found) = at.filter(|c| c.id != class && steps < 64) {
                (at, steps) = (seen.class(found.parent).copied(), steps + 1);
            }
            at.is_some_and(|c| c.id == class)
        })
    }

    /// The tree of a device is sound. Refused containers keep what their classes have, though others were admitted beside less: what is over is no
    /// more than that.
    pub(super) fn check_sums(&self, name: &DevName) {
        let Some(tree) = self.host.tree(name) else {
            return;
        };
        match tree.check() {
            Ok(()) => {}
            Err(RefusalKind::ChildrenOverParent { sum, given, .. }) => {
                // Of all that are held: no container has an empty id.
                let direction = self.host.uplink_direction(name);
                let held = direction.map(|d| self.host.held.rate_beside("", d));
                let held = held.unwrap_or_default();
                let over = sum.saturating_sub(given);
                assert!(over <= held, "{name}: {over} over, {held} held");
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }

    /// Classes of refused containers on the uplink, and those above them that are there for their sake.
    pub(super) fn kept_classes(&self, name: &DevName) -> Vec<Handle> {
        let (Some(seen), Some(wanted)) = (self.kernel.device(name), self.host.tree(name)) else {
            return vec![];
        };
        let mut kept = vec![];
        for (minor, _) in self
            .host
            .held
            .minors()
            .filter(|_| self.host.uplink_direction(name).is_some())
        {
            let mut at = seen.class(Handle::new(0xbe, minor));
            while let Some(class) = at.filter(|c| wanted.class(c.id).is_none() && kept.len() < 999)
            {
                kept.push(class.id);
                at = seen.class(class.parent);
            }
        }
        kept
    }

    /// What is refused stays as it is, and of ours nothing is left that nobody wants. Restated from the documented numbers.
    pub(super) fn check_leftovers(
        &self,
        before: &crate::kernel::KernelModel,
        plan: &crate::plan::Plan,
    ) {
        let held = |name: &DevName| {
            let places = self.held.values().flat_map(Container::places);
            places.into_iter().any(|p| p == *name)
        };
        let wanted = self.host.device_names();
        let redirected: Vec<DevName> = self
            .host
            .containers()
            .filter(|(_, c)| c.inside == EgressPoint::Ifb && c.shape(Direction::Egress).is_some())
            .filter_map(|(_, c)| c.veth.as_deref().map(DevName::host))
            .chain(
                self.host
                    .uplink_device(Direction::Ingress)
                    .and(self.host.uplink_place(Direction::Egress)),
            )
            .collect();
        for (name, device) in self.kernel.devices() {
            if held(name) && !wanted.contains(name) && !redirected.contains(name) {
                assert_eq!(before.device(name), Some(device), "{name} is refused");
                continue;
            }
            let root = device.root().map(|r| r.handle.to_string());
            let ours = root.is_some_and(|r| r == "be:" || r == "bf:");
            // Where a refused container is not shaped where its section says, it may be in any namespace: all stays there,
            // and the plan says so of each.
            let may_be_there = self.host.held.namespaces() && name.netns != crate::Netns::Host;
            let mut told = plan.left_alone().iter();
            let told =
                told.any(|l| l.object == crate::netlink::ObjectKind::Qdisc && l.device == *name);
            assert!(
                !ours || wanted.contains(name) || (may_be_there && told),
                "{name} is not wanted"
            );
            let redirects = |f: &&Filter| {
                f.parent.major() == 0xffff && f.prio == 1 && matches!(f.handle & 0xfff, 0xbe | 0xbf)
            };
            let found = device.filters().iter().filter(redirects).count();
            let expected = usize::from(redirected.contains(name));
            assert!(held(name) || found == expected, "{name}: {found} redirects");
            // Ours is asked first.
            let nodes = device.filters().iter();
            let mut nodes = nodes.filter(|f| f.parent.major() == 0xffff && f.handle & 0xfff != 0);
            let first = nodes.next().map_or(0, |f| f.handle & 0xfff);
            assert!(
                expected == 0 || first == 0xbe,
                "{name}: {first:x} comes first"
            );
        }
        for id in self.held.keys() {
            assert!(self.host.slot(&id.to_string()).is_none());
        }
    }
}
