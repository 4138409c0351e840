//! Reservations and their end.

use super::{Holding, INTERFACES, Keep, Model, Op, named, owned, pool_name};
use crate::{Change, Request, Retention};
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
                .address(crate::number(cidr.first()) + u128::from(n))
        };
        let range = crate::AddressRange::new(at(offset), at(offset + count - 1)).expect("a range");
        if let Ok(change) = self.ipam.decide_reserve(identity, &[range]).map(owned) {
            self.carry_out(vec![change]);
            for n in offset..offset + count {
                let other = self.fixed.insert(at(n), workload.clone());
                assert!(other.is_none_or(|o| o == workload), "reserved twice");
                self.sticky.retain(|s| s.address != at(n));
            }
        }
    }

    pub(super) fn unreserve(&mut self, workload: u8, interface: u8) {
        let name = format!("w{workload}");
        let interface = INTERFACES[usize::from(interface)];
        let what = crate::What::Unreserved {
            workload: name.clone().into(),
            interface: interface.into(),
        };
        let name = named(&name, interface);
        let change = Change { at: self.now, what };
        if self.ipam.apply(&change).is_ok() {
            self.log.push(change);
            let kept = self.fixed.iter().filter(|(_, who)| **who == name);
            let kept: Vec<IpAddr> = kept.map(|(&a, _)| a).collect();
            self.fixed.retain(|_, w| *w != name);
            for holding in self.holdings.values_mut() {
                if holding.workload.as_ref() == Some(&name) && holding.keep == Keep::Fixed {
                    holding.keep = Keep::Ephemeral;
                }
            }
            // What nobody held rests from now on, for the workload too.
            let held = |a: &IpAddr| self.holdings.values().any(|h| h.addresses.contains(a));
            let kept: Vec<IpAddr> = kept.into_iter().filter(|a| !held(a)).collect();
            for address in kept {
                self.rests(address, self.now, None);
            }
        }
    }
}
