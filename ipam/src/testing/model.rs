//! A naive model: plain maps of who holds what, against which every answer is held.

mod checks;
mod leases;
mod life;
mod moves;
mod notes;
mod pools;
mod reserve;
mod sticky;

use super::op::{Keep, Op};
use crate::{
    Change, Grant, Ipam, Request, Retention, Timestamp,
    change::HostSettings,
    claim::{ClaimError, Families},
    store::Record,
};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use checks::{listing, ranked};
use core::net::IpAddr;
use core::time::Duration;
use sticky::Sticky;

/// A holder as the model knows it.
#[derive(Clone, Debug)]
struct Holding {
    sequence: u64,
    addresses: Vec<IpAddr>,
    /// The workload and interface, as [`named`] writes them.
    workload: Option<String>,
    host: Option<String>,
    keep: Keep,
    until: Option<Timestamp>,
    /// When its owner last gave a sign of life that was worth a write: claimed, renewed, moved.
    seen: Timestamp,
    /// Since when its owner is missing.
    missing: Option<Timestamp>,
}

/// The allocator beside the model, and every change since the start.
#[derive(Debug)]
pub struct Model {
    ipam: Ipam,
    seed: u64,
    now: Timestamp,
    log: Vec<Change<'static>>,
    holdings: BTreeMap<String, Holding>,
    /// Last releases of addresses, with the quarantine of their pool.
    released: BTreeMap<IpAddr, (Timestamp, Duration, Option<String>)>,
    /// Addresses that no other workload may be given.
    fixed: BTreeMap<IpAddr, String>,
    /// Sticky addresses that nobody holds.
    sticky: Vec<Sticky>,
    /// What is on its way, by workload, and its retention: nobody else may have it meanwhile, and it may not be lost.
    moving: BTreeMap<String, (Vec<IpAddr>, Keep)>,
    last_sequence: u64,
}

impl Model {
    /// An empty allocator beside an empty model.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            ipam: Ipam::new(seed),
            seed,
            now: Timestamp::from_secs(1000),
            log: Vec::new(),
            holdings: BTreeMap::new(),
            released: BTreeMap::new(),
            fixed: BTreeMap::new(),
            sticky: Vec::new(),
            moving: BTreeMap::new(),
            last_sequence: 0,
        }
    }

    /// The allocator.
    #[must_use]
    pub fn ipam(&self) -> &Ipam {
        &self.ipam
    }

    /// Everything that was changed so far.
    #[must_use]
    pub fn log(&self) -> &[Change<'static>] {
        &self.log
    }

    /// One operation on both, then every check.
    pub fn step(&mut self, op: &Op) {
        self.ipam.advance(self.now);
        match op {
            Op::Wait { seconds } => {
                self.now = self.now.after(Duration::from_secs(u64::from(*seconds)));
                self.ipam.advance(self.now);
                self.expire_sticky();
            }
            Op::AddPool { pool, variant } => self.add_pool(*pool, *variant),
            Op::Drain { pool, on } => {
                let change = self.ipam.decide_drain_pool(&pool_name(*pool), *on);
                self.carry_out(change.into_iter().collect());
            }
            Op::Grow { pool } => self.grow(*pool),
            Op::RemovePool { pool } => {
                let change = self.ipam.decide_remove_pool(&pool_name(*pool));
                self.carry_out(change.into_iter().collect());
            }
            Op::Claim { .. } => self.claim(op),
            Op::Release { owner, late } => self.release(&format!("c{owner}"), *late),
            Op::Renew { owner, lease } => self.renew(&format!("c{owner}"), *lease),
            Op::Expire => {
                let changes = self.ipam.decide_expire();
                self.carry_out(changes);
            }
            Op::BeginMove { .. } => self.begin_move(op),
            Op::FinishMove {
                workload,
                interface,
                owner,
            } => self.finish_move(*workload, *interface, *owner),
            Op::AbortMove {
                workload,
                interface,
            } => self.abort_move(*workload, *interface),
            Op::Reserve { .. } => self.reserve(op),
            Op::Unreserve {
                workload,
                interface,
            } => self.unreserve(*workload, *interface),
            Op::SetHost {
                host,
                limit,
                draining,
            } => {
                let limit = limit.checked_sub(1).map(u32::from);
                let settings = HostSettings {
                    block_limit: limit,
                    draining: *draining,
                    ..HostSettings::default()
                };
                let host = format!("h{host}").into();
                let kind = crate::change::ChangeKind::HostSet { host, settings };
                self.carry_out(vec![Change { at: self.now, kind }]);
            }
            Op::Reconcile { alive } => self.reconcile(*alive),
            Op::TidyBlocks { .. } => {
                let changes = self.ipam.decide_tidy_blocks();
                self.carry_out(changes);
            }
            Op::Restore => self.restore(),
        }
        self.check(op);
    }

    /// Replays every change on a fresh allocator and compares.
    pub fn finish(&self) {
        let mut again = Ipam::new(self.seed);
        for change in &self.log {
            let applied = again.apply(change);
            assert_eq!(applied, Ok(()), "replaying {change}");
        }
        again.advance(self.now);
        let log: Vec<String> = self.log.iter().map(ToString::to_string).collect();
        let (replayed, lived) = (listing(&again), listing(&self.ipam));
        assert_eq!(
            replayed,
            lived,
            "a replay gives another state:\n{}",
            log.join("\n")
        );
        let (replayed, lived) = (ranked(again.records()), ranked(self.ipam.records()));
        if let Some((ours, theirs)) = lived.iter().zip(&replayed).find(|(a, b)| a != b) {
            panic!(
                "a replay gives {theirs:?} for {ours:?}:\n{}",
                log.join("\n")
            );
        }
        assert_eq!(replayed.len(), lived.len(), "a replay gives other records");
    }

    fn carry_out(&mut self, changes: Vec<Change<'static>>) {
        for change in changes {
            let applied = self.ipam.apply(&change);
            if let Err(error) = applied {
                let log: Vec<String> = self.log.iter().map(ToString::to_string).collect();
                panic!("{change}: {error}; after\n{}", log.join("\n"));
            }
            self.note(&change);
            self.log.push(change);
        }
    }

    fn claim(&mut self, op: &Op) {
        let Op::Claim {
            owner,
            workload,
            interface,
            host,
            keep,
            families,
            pool,
            lease,
            asked,
        } = op
        else {
            return;
        };
        let (owner, workload, host) = (
            format!("c{owner}"),
            format!("w{workload}"),
            format!("h{host}"),
        );
        let pool = pool_name(*pool);
        let pools = [&*pool];
        let mut request = Request::new(&owner);
        request.workload = (workload != "w0").then_some(&*workload);
        request.interface = INTERFACES[usize::from(*interface)];
        request.host = (host != "h0").then_some(&*host);
        request.retention = match keep {
            Keep::Ephemeral => Retention::Ephemeral,
            Keep::Sticky(ttl) => Retention::Sticky(Duration::from_secs(u64::from(*ttl))),
            Keep::Fixed => Retention::Fixed(&[]),
        };
        request.families = [Families::V4, Families::V6, Families::Dual][usize::from(*families) % 3];
        request.pools = if pool == "p6" || pool == "p7" {
            &[]
        } else {
            &pools
        };
        let asked_for = [IpAddr::from([10, 0, 0, *asked])];
        if *asked < 16 && request.families != Families::V6 {
            request.addresses = &asked_for;
        }
        request.lease = (*lease > 20).then(|| Duration::from_secs(u64::from(*lease)));
        let before = (self.ipam.claim_count(), listing(&self.ipam));
        let mut twin = self.ipam.clone();
        let direct = twin.claim(self.now, &request);
        let holders = self.holders_of(&request);
        match self.ipam.decide_claim(&request) {
            Ok(decision) => {
                let had = self.holdings.get(&owner).cloned();
                let grant = decision.grant;
                let changes: Vec<_> = decision.changes.into_iter().map(owned).collect();
                match &had {
                    Some(had) => self.check_repeated(had, &changes),
                    None => assert_eq!(holders, Vec::<String>::new(), "fixed twice"),
                }
                self.claim_by(&request, changes, &grant);
                self.check_grant(&owner, &grant, had.as_ref());
                assert_eq!(direct, Ok(grant), "claimed directly, it is another");
                assert_eq!(twin.records(), self.ipam.records());
            }
            Err(error) => {
                assert_eq!(direct.as_ref(), Err(&error));
                assert_eq!(before, (self.ipam.claim_count(), listing(&self.ipam)));
                self.check_refused(&request, &error, &holders);
            }
        }
    }

    /// A refusal that names a holder names one of these.
    fn check_refused(&self, request: &Request<'_>, error: &ClaimError, holders: &[String]) {
        assert!(!error.to_string().is_empty());
        if let ClaimError::Held { owner, .. } = error {
            assert!(holders.contains(owner), "{error}, not by {holders:?}");
        }
        self.check_exhausted(request, error);
    }

    /// Carries out a claim, whose workload is given its own as far as it has something when the claim is made.
    fn claim_by(
        &mut self,
        request: &Request<'_>,
        mut changes: Vec<Change<'static>>,
        grant: &Grant,
    ) {
        let Some(last) = changes.pop() else { return };
        self.carry_out(changes);
        let own = match last.kind {
            crate::change::ChangeKind::Claimed { .. } => self.own(request),
            _ => Vec::new(),
        };
        self.carry_out(vec![last]);
        Self::check_own(grant, &own, request);
    }

    /// The state goes on as its own records describe it, and these describe it the same again.
    fn restore(&mut self) {
        let records = self.ipam.records();
        let stored = records.iter().map(|r| (r.key(), r.encode()));
        let stored: Vec<(String, Vec<u8>)> = stored.collect();
        let decoded = stored
            .iter()
            .map(|(key, bytes)| Record::decode(key, bytes).expect("what was encoded"));
        let (mut again, rejected) = Ipam::restore(self.now, decoded);
        assert_eq!(rejected, Vec::new());
        assert_eq!(again.records(), records, "restored, the state is another");
        again.resume_sequence(self.last_sequence);
        self.ipam = again;
    }
}

/// The interfaces of the universe.
const INTERFACES: [&str; 2] = [crate::claim::DEFAULT_INTERFACE, "eth1"];

/// A workload and interface in one word: what is retained for one is never another's.
fn named(workload: &str, interface: &str) -> String {
    format!("{interface} of {workload}")
}

fn pool_name(pool: u8) -> String {
    format!("p{pool}")
}

/// A change with its texts owned.
#[must_use]
fn owned(change: Change<'_>) -> Change<'static> {
    change.into_owned()
}
