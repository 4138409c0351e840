//! What changes mean to the model.

use super::sticky::Sticky;
use super::{Holding, Keep, Model, named};
use crate::change::{Change, ChangeKind};
use crate::claim::{Origin, RetentionKind};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Model {
    /// What a change means to the model.
    pub(super) fn note(&mut self, change: &Change<'_>) {
        match &change.kind {
            ChangeKind::Released {
                owner, sequence, ..
            } => self.note_released(owner, *sequence),
            claimed @ ChangeKind::Claimed { .. } => self.note_claimed(claimed),
            ChangeKind::Renewed { owner, until, .. } => {
                if let Some(holding) = self.holdings.get_mut(&**owner) {
                    (holding.until, holding.seen, holding.missing) = (*until, self.now, None);
                }
            }
            ChangeKind::Reissued {
                owner, next, until, ..
            } => {
                if let Some(holding) = self.holdings.get_mut(&**owner) {
                    (holding.sequence, holding.until) = (*next, *until);
                    (holding.seen, holding.missing) = (self.now, None);
                    self.last_sequence = *next;
                }
            }
            ChangeKind::MoveBegun {
                workload,
                interface,
                from,
                ..
            } => self.note_move(&named(workload, interface), from),
            ChangeKind::MoveEnded {
                workload,
                interface,
                ..
            } => {
                let identity = named(workload, interface);
                let ended = self.moving.remove(&identity);
                let (_, keep) = ended.unwrap_or_else(|| panic!("`{identity}` was not moving"));
                self.end_waiting(&identity, keep);
            }
            _ => {}
        }
    }

    fn note_claimed(&mut self, claimed: &ChangeKind<'_>) {
        let ChangeKind::Claimed {
            owner,
            workload,
            interface,
            host,
            sequence,
            until,
            retention,
            v4,
            v6,
        } = claimed
        else {
            return;
        };
        let workload = workload.as_deref().map(|w| named(w, interface));
        let places: Vec<_> = [v4, v6].into_iter().flatten().collect();
        for place in &places {
            self.check_given(place.address, place.origin, workload.as_deref());
            self.sticky.retain(|s| s.address != place.address);
            if *retention == RetentionKind::Fixed {
                let workload = workload.as_deref().unwrap_or_default();
                self.fixed.insert(place.address, workload.to_string());
            }
        }
        assert!(
            *sequence > self.last_sequence,
            "sequence {sequence} was used before"
        );
        self.last_sequence = *sequence;
        let keep = match retention {
            RetentionKind::Ephemeral => Keep::Ephemeral,
            RetentionKind::Sticky(ttl) => Keep::Sticky(ttl.as_secs() as u8),
            RetentionKind::Fixed => Keep::Fixed,
        };
        let holding = Holding {
            sequence: *sequence,
            addresses: places.iter().map(|p| p.address).collect(),
            workload: workload.clone(),
            host: host.as_deref().map(ToString::to_string),
            keep,
            until: *until,
            seen: self.now,
            missing: None,
        };
        let before = self.holdings.insert(owner.to_string(), holding);
        assert!(before.is_none(), "`{owner}` was given a second claim");
    }

    /// What moves is the latest claim of the workload on the host that it leaves.
    fn note_move(&mut self, workload: &str, from: &str) {
        let here = self
            .holdings
            .values()
            .filter(|h| h.workload.as_deref() == Some(workload) && h.host.as_deref() == Some(from));
        let here = here.map(|h| h.sequence);
        let latest = here.max();
        let latest = self
            .holdings
            .values_mut()
            .find(|h| Some(h.sequence) == latest);
        let latest = latest.unwrap_or_else(|| panic!("`{workload}` holds nothing on {from}"));
        (latest.seen, latest.missing) = (self.now, None);
        let before = self
            .moving
            .insert(workload.into(), (latest.addresses.clone(), latest.keep));
        assert!(before.is_none(), "`{workload}` moves twice");
    }

    fn note_released(&mut self, owner: &str, sequence: u64) {
        let holding = self.holdings.remove(owner);
        let holding = holding.unwrap_or_else(|| panic!("`{owner}` held nothing"));
        assert_eq!(
            holding.sequence, sequence,
            "a stale release of `{owner}` was carried out"
        );
        for &address in &holding.addresses {
            self.enters_quarantine(address, self.now, holding.workload.clone());
            self.keep_released(&holding, address);
        }
    }

    /// An address that is given out is held by nobody, reserved by nobody else, and out of quarantine.
    fn check_given(&self, address: IpAddr, origin: Origin, workload: Option<&str>) {
        for (owner, holding) in &self.holdings {
            assert!(
                !holding.addresses.contains(&address),
                "{address} is held by `{owner}`"
            );
        }
        if let Some(mine) = self.fixed.get(&address) {
            assert_eq!(workload, Some(&**mine), "{address} is reserved");
        }
        let others = |s: &&Sticky| s.address == address && Some(&*s.identity) != workload;
        let retained = self.sticky.iter().find(others);
        assert!(retained.is_none(), "{address} is retained: {retained:?}");
        let pool = self.ipam.pools().find(|p| p.spec().cidr.contains(address));
        let pool = pool.unwrap_or_else(|| panic!("{address} is in no pool"));
        assert!(
            pool.spec().excludes(address).is_none(),
            "{address} is excluded"
        );
        if let Some((at, rest, by)) = self.released.get(&address) {
            let rested = at.after(*rest) <= self.now;
            let early = matches!(origin, Origin::Early { .. });
            let own = origin == Origin::Reused && by.as_deref() == workload;
            assert!(
                rested || early || own,
                "{address} was not in quarantine: {origin:?}"
            );
        }
    }
}
