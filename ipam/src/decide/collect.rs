//! Collection: claims whose owners are gone, blocks nobody needs, and what is broken.

use crate::change::{Change, ChangeKind, Reason};
use crate::pool::blocks::BlockState;
use crate::pool::{Pool, PoolId};
use crate::state::Ipam;
use crate::store::RejectedRecord;
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// One pass over the owners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Owners that are missing and may still come back, by name.
    pub suspects: Vec<String>,
    /// Owners whose claims end now, by name.
    pub released: Vec<String>,
    /// What to apply.
    pub changes: Vec<Change<'static>>,
}

/// What [`Ipam::fsck`] finds.
///
/// ```
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// for problem in ipam.fsck(std::time::Duration::from_secs(900), &[]) {
///     println!("{}: {}: {}", problem.kind, problem.subject, problem.repair);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Problem {
    /// `leaked`, `expired`, `stuck-move`, `future` (a stored time more than 24 h ahead), `damaged` (a record
    /// that does not decode), `rejected` (one that does not fit the others) or `broken`.
    pub kind: &'static str,
    /// The address or name it is about.
    #[cfg_attr(feature = "serde", serde(rename = "what"))]
    pub subject: String,
    /// What repairs it, in words.
    pub repair: String,
    /// What repairs it; none where the store's driver does, and for `broken`.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub changes: Vec<Change<'static>>,
}

/// How long a move may be under way before it is called stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(24 * 3600);

impl Ipam {
    /// Compares the owners with those that live, as seen by a pass that began at `began`. Who is missing
    /// becomes a suspect; a suspect that is still missing `grace` later, in another pass, loses its claim.
    /// Who claimed or renewed since the pass began is left alone: the pass may have looked too early.
    /// Linear in the claims.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("gone"))?;
    /// ipam.advance(at(100));
    /// let pass = ipam.decide_reconcile(at(99), Duration::from_secs(900), |_| false);
    /// assert_eq!(pass.suspects, ["gone"]);
    /// ipam.apply_all(&pass.changes)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn decide_reconcile(
        &self,
        began: Timestamp,
        grace: Duration,
        lives: impl Fn(&str) -> bool,
    ) -> Reconciliation {
        let mut out = Reconciliation::default();
        for (id, claim) in self.claims.iter() {
            let owner = self.claims.owner(id);
            let suspected = self.claims.suspected(id);
            let suspected = suspected.filter(|(_, sequence)| *sequence == claim.sequence);
            let sequence = claim.sequence;
            let name = || Cow::Owned(owner.to_string());
            let kind = if lives(owner) {
                match suspected {
                    Some(_) => ChangeKind::Cleared { owner: name() },
                    None => continue,
                }
            } else if claim.touched >= began {
                continue;
            } else {
                match suspected {
                    Some((since, _)) if since < began && since.after(grace) <= self.now() => {
                        out.released.push(owner.to_string());
                        ChangeKind::Released {
                            owner: name(),
                            sequence,
                            reason: Reason::Collected,
                        }
                    }
                    Some(_) => {
                        out.suspects.push(owner.to_string());
                        continue;
                    }
                    None => {
                        out.suspects.push(owner.to_string());
                        ChangeKind::Suspected {
                            owner: name(),
                            sequence,
                        }
                    }
                }
            };
            out.changes.push(Change::new(self.now(), kind));
        }
        out.suspects.sort();
        out.released.sort();
        out
    }

    /// [`Ipam::decide_reconcile`], carried out.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("gone"))?;
    /// let grace = Duration::from_secs(900);
    /// // Missing once, an owner is suspected; missing a grace period later, its claim ends.
    /// assert_eq!(ipam.reconcile(at(100), at(99), grace, |_| false).suspects, ["gone"]);
    /// assert_eq!(ipam.reconcile(at(1000), at(999), grace, |_| false).released, ["gone"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconcile(
        &mut self,
        now: Timestamp,
        began: Timestamp,
        grace: Duration,
        lives: impl Fn(&str) -> bool,
    ) -> Reconciliation {
        self.advance(now);
        let out = self.decide_reconcile(began, grace, lives);
        self.carry_out(&out.changes);
        out
    }

    /// Blocks to give up: a draining host's at once when empty, others' when they have been empty for the
    /// pool's `reclaim_after`, but never a host's last one. A draining host's blocks in use take nothing
    /// new. Each change is guarded by the block's generation. Linear in the hosts' blocks.
    ///
    /// ```
    /// # use ipam::change::HostSettings;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let settings = HostSettings { draining: true, ..HostSettings::default() };
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// ipam.set_host(at(2), "h1", settings)?;
    /// ipam.release(at(3), "container-1/eth0", grant.sequence)?;
    /// ipam.advance(at(70)); // the quarantine is over: the block is empty
    /// assert_eq!(ipam.decide_tidy_blocks().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn decide_tidy_blocks(&self) -> Vec<Change<'static>> {
        let mut changes = Vec::new();
        for (id, pool) in self.pools.iter() {
            for (host, blocks) in pool.blocks().hosts.iter() {
                self.tidy_host((id, pool), host, blocks.all.len(), &mut changes);
            }
        }
        changes
    }

    /// What a host gives up of a pool, where it has as many blocks of it.
    pub(super) fn tidy_host(
        &self,
        (id, pool): (PoolId, &Pool),
        host: u32,
        mut have: usize,
        changes: &mut Vec<Change<'static>>,
    ) {
        let known = self.hosts.name(host).zip(self.hosts.settings(host));
        let Some(((name, settings), blocks)) = known.zip(pool.blocks().hosts.get(host)) else {
            return;
        };
        let draining = settings.draining;
        for index in blocks.all.iter() {
            let block = pool.blocks().get(index);
            let (cidr, generation) = (pool.block_cidr(index), block.generation);
            let over = block.empty_since.after(pool.spec().reclaim_after) <= self.now();
            let given_up = draining || block.state == BlockState::Releasing;
            if block.used == 0 && (given_up || (over && have > 1)) {
                have = have.saturating_sub(1);
                let kind = ChangeKind::BlockReleased {
                    pool: id,
                    block: cidr,
                    generation,
                };
                changes.push(Change::new(self.now(), kind));
            } else if draining && block.state != BlockState::Releasing {
                let host = Cow::Owned(name.to_string());
                let (pool, state) = (id, BlockState::Releasing);
                let kind = ChangeKind::BlockTaken {
                    pool,
                    block: cidr,
                    host,
                    state,
                    generation,
                };
                changes.push(Change::new(self.now(), kind));
            }
        }
    }

    /// [`Ipam::decide_tidy_blocks`], carried out; how many blocks are free for others again.
    ///
    /// ```
    /// # use ipam::change::HostSettings;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let settings = HostSettings { draining: true, ..HostSettings::default() };
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// ipam.set_host(at(2), "h1", settings)?;
    /// ipam.release(at(3), "container-1/eth0", grant.sequence)?;
    /// assert_eq!(ipam.tidy_blocks(at(70)), 1); // the quarantine is over: the block is empty
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tidy_blocks(&mut self, now: Timestamp) -> usize {
        self.advance(now);
        let changes = self.decide_tidy_blocks();
        self.carry_out(&changes);
        changes
            .iter()
            .filter(|c| matches!(c.kind, ChangeKind::BlockReleased { .. }))
            .count()
    }

    /// Everything that is wrong, each with its repair: claims whose lease is over, claims whose owner has
    /// been missing for `grace`, moves that do not end, times that lie more than 24 hours ahead, stored records that do
    /// not fit, and broken invariants. Linear.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").lease(Duration::from_secs(60)))?;
    /// ipam.advance(at(100));
    /// let problems = ipam.fsck(Duration::from_secs(900), &[]);
    /// assert_eq!(problems[0].kind, "expired");
    /// assert_eq!(problems[0].repair, "release owner container-1/eth0, lease over");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fsck(&self, grace: Duration, rejected: &[RejectedRecord]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (id, claim) in self.claims.iter() {
            if claim.until <= self.now() {
                problems.push(self.end_problem("expired", id, Reason::Expired, "lease over"));
                continue;
            }
            let suspected = self.claims.suspected(id);
            let suspected = suspected.filter(|(_, sequence)| *sequence == claim.sequence);
            if let Some((since, _)) = suspected.filter(|(s, _)| s.after(grace) <= self.now()) {
                let missing = format!("missing for {} s", self.now().since(since).as_secs());
                problems.push(self.end_problem("leaked", id, Reason::Repaired, &missing));
            }
        }
        for (id, moving) in self.workloads.moves() {
            if moving.since.after(STUCK) <= self.now() {
                let Some(identity) = self.workloads.identity(id) else {
                    continue;
                };
                let repair = format!("call off its move, under way since {}", moving.since);
                let changes = Vec::from([self.move_ended(identity, false).into_owned()]);
                problems.push(Problem {
                    kind: "stuck-move",
                    subject: identity.to_string(),
                    repair,
                    changes,
                });
            }
        }
        problems.extend(self.times_ahead());
        problems.extend(rejected.iter().map(RejectedRecord::problem));
        if let Err(broken) = self.check_invariants() {
            let repair = "restore from a dump; this is a fault of the program".into();
            problems.push(Problem {
                kind: "broken",
                subject: broken.0,
                repair,
                changes: Vec::new(),
            });
        }
        problems
    }

    fn end_problem(&self, kind: &'static str, id: u32, reason: Reason, detail: &str) -> Problem {
        let owner = self.claims.owner(id).to_string();
        let subject = self
            .places_of(id)
            .map(|p| p.address.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let repair = format!("release owner {owner}, {detail}");
        let sequence = self.claims.get(id).map_or(0, |c| c.sequence);
        let released = ChangeKind::Released {
            owner: Cow::Owned(owner),
            sequence,
            reason,
        };
        Problem {
            kind,
            subject,
            repair,
            changes: Vec::from([Change::new(self.now(), released)]),
        }
    }

    /// Carries out the repairs that are changes; how many problems they were for. Damaged records and times
    /// ahead are the store's driver's: [`crate::Replica::rebuild`], [`crate::Replica::discard`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").lease(Duration::from_secs(60)))?;
    /// ipam.advance(at(100));
    /// let problems = ipam.fsck(Duration::from_secs(900), &[]);
    /// assert_eq!(ipam.repair(&problems), 1);
    /// assert_eq!(ipam.claim_count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repair(&mut self, problems: &[Problem]) -> usize {
        let mut repaired = 0;
        for problem in problems.iter().filter(|p| !p.changes.is_empty()) {
            repaired += usize::from(self.apply_all(&problem.changes).is_ok());
        }
        repaired
    }
}
