//! Moves from host to host.

use super::{INTERFACES, Model, Op, owned};
use crate::claim::MoveError;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

impl Model {
    pub(super) fn begin_move(&mut self, op: &Op) {
        let Op::BeginMove {
            workload,
            interface,
            from,
            to,
        } = op
        else {
            return;
        };
        let names = (format!("w{workload}"), format!("h{from}"), format!("h{to}"));
        let identity = (&*names.0, INTERFACES[usize::from(*interface)]);
        let change = self.ipam.decide_begin_move(identity, &names.1, &names.2);
        let change = change.map(owned);
        self.carry_out(change.into_iter().collect());
    }

    pub(super) fn finish_move(&mut self, workload: u8, interface: u8, owner: u8) {
        let (workload, owner) = (format!("w{workload}"), format!("c{owner}"));
        let identity = (&*workload, INTERFACES[usize::from(interface)]);
        let moving = self
            .ipam
            .move_of(identity)
            .map(|(a, b, _)| (a.to_string(), b.to_string()));
        match self.ipam.decide_finish_move(identity, &owner) {
            Ok(decision) => {
                let (from, to) = moving.expect("a move");
                let changes: Vec<_> = decision.changes.into_iter().map(owned).collect();
                self.carry_out(changes);
                assert_eq!(self.holdings[&owner].host, Some(to));
                // Nobody on the old host is left with what moved.
                for (other, holding) in &self.holdings {
                    let shares = holding
                        .addresses
                        .iter()
                        .any(|a| *other != owner && self.holdings[&owner].addresses.contains(a));
                    assert!(!shares, "`{other}` on {from} shares a moved address");
                }
            }
            Err(MoveError::StillHeld { until, .. }) => {
                assert!(
                    until.is_none_or(|u| u > self.now),
                    "a lease that is over blocks a move"
                );
            }
            Err(_) => {}
        }
    }

    pub(super) fn abort_move(&mut self, workload: u8, interface: u8) {
        let workload = format!("w{workload}");
        let identity = (&*workload, INTERFACES[usize::from(interface)]);
        let change = self.ipam.decide_abort_move(identity).map(owned);
        self.carry_out(change.into_iter().collect());
    }
}
