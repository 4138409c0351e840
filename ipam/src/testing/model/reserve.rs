//! Reservations and their end.

use super::{Keep, Model, owned, pool_name};
use crate::Change;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

impl Model {
    pub(super) fn reserve(&mut self, workload: u8, pool: u8, offset: u8, count: u8) {
        let workload = format!("w{workload}");
        let Some(cidr) = self.ipam.pool(&pool_name(pool)).map(|p| p.spec().cidr) else {
            return;
        };
        let at = |n: u8| {
            cidr.family()
                .address(crate::number(cidr.first()) + u128::from(n))
        };
        let range = crate::AddressRange::new(at(offset), at(offset + count - 1)).expect("a range");
        if let Ok(change) = self.ipam.decide_reserve(&workload, &[range]).map(owned) {
            self.carry_out(vec![change]);
            for n in offset..offset + count {
                let other = self.fixed.insert(at(n), workload.clone());
                assert!(other.is_none_or(|o| o == workload), "reserved twice");
            }
        }
    }

    pub(super) fn unreserve(&mut self, workload: u8) {
        let name = format!("w{workload}");
        let kept: Vec<IpAddr> = self.ipam.kept_for(&name).collect();
        let what = crate::What::Unreserved {
            workload: name.clone().into(),
        };
        let change = Change { at: self.now, what };
        if self.ipam.apply(&change).is_ok() {
            self.log.push(change);
            self.fixed.retain(|_, w| *w != name);
            for holding in self.holdings.values_mut() {
                if holding.workload.as_ref() == Some(&name) && holding.keep == Keep::Fixed {
                    holding.keep = Keep::Ephemeral;
                }
            }
            // What nobody held rests from now on, for the workload too.
            let held = |a: &IpAddr| self.holdings.values().any(|h| h.addresses.contains(a));
            for address in kept.into_iter().filter(|a| !held(a)) {
                self.released
                    .insert(address, (self.now, Duration::ZERO, None));
            }
        }
    }
}
