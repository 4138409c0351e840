//! Reservations and their end.

use super::{Holding, INTERFACES, Keep, Model, Op, named, owned, pool_name};
use crate::{Request, Retention};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Model {
    /// Who holds what a fixed claim asks for a second time: other owners of its workload and interface, whose lease
    /// is not over, that were given a fixed address or hold one that is reserved.
    pub(super) fn holders_of(&self, request: &Request<'_>) -> Vec<String> {
        let Some(workload) = request
            .workload
            .filter(|_| request.retention == Retention::Fixed(&[]))
        else {
            return Vec::new();
        };
        let identity = named(workload, request.interface);
        let reserved = |a: &IpAddr| self.fixed.get(a) == Some(&identity);
        let holds = |h: &Holding| {
            let lives = h.until.is_none_or(|until| until > self.now);
            let fixed = h.keep == Keep::Fixed || h.addresses.iter().any(reserved);
            h.workload.as_ref() == Some(&identity) && lives && fixed
        };
        let others = self
            .holdings
            .iter()
            .filter(|(o, h)| *o != request.owner && holds(h));
        others.map(|(owner, _)| owner.clone()).collect()
    }

    pub(super) fn reserve(&mut self, op: &Op) {
        let &Op::Reserve {
            workload,
            interface,
            pool,
            offset,
            count,
            how,
        } = op
        else {
            return;
        };
        let name = format!("w{workload}");
        let identity = (&*name, INTERFACES[usize::from(interface)]);
        let workload = named(identity.0, identity.1);
        let Some(cidr) = self.ipam.pool(&pool_name(pool)).map(|p| p.spec().cidr) else {
            return;
        };
        let at = |n: u8| {
            cidr.family()
                .address(crate::net::number(cidr.first()) + u128::from(n))
        };
        let range =
            crate::net::AddressRange::new(at(offset), at(offset + count - 1)).expect("a range");
        let in_range = |a: &IpAddr| range.contains(*a);
        let mine = |model: &Self, a: &IpAddr| model.fixed.get(a) == Some(&workload);
        let reserved: Vec<IpAddr> = self.fixed.keys().copied().collect();
        let reserved: Vec<IpAddr> = reserved.into_iter().filter(|a| mine(self, a)).collect();
        let (decided, ending): (_, Vec<IpAddr>) = match how {
            0 => {
                let change = self.ipam.decide_reserve(identity, &[range]);
                (change.map(|c| vec![c.into_owned()]).ok(), vec![])
            }
            1 => {
                let changes = self.ipam.decide_replace_reservation(identity, &[range]);
                let changes = changes.map(|all| all.into_iter().map(owned).collect());
                let others = reserved.iter().filter(|a| !in_range(a));
                (changes.ok(), others.copied().collect())
            }
            _ => {
                let change = self.ipam.decide_unreserve(identity, &[range]);
                let ending: Vec<IpAddr> = reserved.iter().copied().filter(in_range).collect();
                let none = ending.is_empty() || self.moving.contains_key(&workload);
                assert_eq!(change.is_err(), none, "{change:?}, reserved {reserved:?}");
                (change.map(|c| vec![c.into_owned()]).ok(), ending)
            }
        };
        let Some(changes) = decided else { return };
        self.carry_out(changes);
        if how < 2 {
            for n in offset..offset + count {
                let other = self.fixed.insert(at(n), workload.clone());
                assert!(other.is_none_or(|o| o == workload), "reserved twice");
                self.sticky.retain(|s| s.address != at(n));
            }
        }
        self.end_reserved(&ending);
    }

    /// Some addresses are not reserved any more: who holds one keeps it for as long as the claim lasts, the others go into quarantine.
    fn end_reserved(&mut self, ending: &[IpAddr]) {
        self.fixed.retain(|a, _| !ending.contains(a));
        for &address in ending {
            if !self
                .holdings
                .values()
                .any(|h| h.addresses.contains(&address))
            {
                self.enters_quarantine(address, self.now, None);
            }
        }
    }

    pub(super) fn unreserve(&mut self, workload: u8, interface: u8) {
        let name = format!("w{workload}");
        let interface = INTERFACES[usize::from(interface)];
        let identity = named(&name, interface);
        let Ok(change) = self
            .ipam
            .decide_unreserve((&*name, interface), &[])
            .map(owned)
        else {
            return;
        };
        self.carry_out(vec![change]);
        let ending = self.fixed.iter().filter(|(_, who)| **who == identity);
        let ending: Vec<IpAddr> = ending.map(|(&a, _)| a).collect();
        self.end_reserved(&ending);
    }
}
