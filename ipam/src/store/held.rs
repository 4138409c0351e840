//! What a host holds, by its own monotonic clock: until when it may use an address, and what it must renew.

use super::clock::StoreClock;
use crate::claim::Grant;
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// How long before the end of its lease a host stops using an address.
///
/// ```
/// use ipam::store::Margin;
/// use std::time::Duration;
///
/// // A step of the store's clock, a look at it, and a thousandth of the lease.
/// assert_eq!(Margin::default().of(Duration::from_secs(60)), Duration::from_millis(6060));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// How much later another host's now may be: a step of the store's clock, and how long a look at it may take.
    pub lag: Duration,
    /// How much two monotonic clocks may drift apart, in millionths. Linux slews `CLOCK_MONOTONIC` by at most 500 (`adjtimex(2)`): twice
    /// that, for one that is slewed each way.
    pub drift_ppm: u32,
}

impl Default for Margin {
    fn default() -> Self {
        Self {
            lag: StoreClock::STEP + StoreClock::ROUND_TRIP,
            drift_ppm: 1000,
        }
    }
}

impl Margin {
    /// The margin of a lease of this length.
    #[must_use]
    pub fn of(self, lease: Duration) -> Duration {
        let drift = lease.as_nanos() * u128::from(self.drift_ppm) / 1_000_000;
        let drift = u64::try_from(drift).map_or(Duration::MAX, Duration::from_nanos);
        self.lag.saturating_add(drift)
    }
}

/// When a request was sent: what its lease is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The time that the request carried: now by the store's clock.
    pub store: Timestamp,
    /// The host's monotonic clock, read before the request was sent.
    pub monotonic: Timestamp,
}

/// A claim that a host holds. Times are those of its monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The fencing token.
    pub sequence: u64,
    /// Until when its addresses may be used; none of a claim without a lease.
    pub usable_until: Option<Timestamp>,
    /// When it is to be renewed: a third of its lease after the request. None of a claim without a lease.
    pub renew_at: Option<Timestamp>,
    /// How long the lease was, as far as the host could know.
    pub lease: Option<Duration>,
}

impl Held {
    /// What was granted to a request that was sent then. Whatever became of the answer on its way, the lease is counted from before the
    /// request.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// use ipam::store::{Held, Margin, Sent};
    /// # use std::time::Duration;
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").lease(Duration::from_secs(60));
    /// let sent = Sent { store: at(1000), monotonic: at(5) };
    /// let grant = ipam.claim(sent.store, &request)?;
    /// let held = Held::granted(&grant, sent, Margin::default());
    /// assert_eq!(held.usable_until, Some(Timestamp::from_millis(5_000 + 60_000 - 6_060)));
    /// assert_eq!(held.renew_at, Some(at(5 + 20)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn granted(grant: &Grant, sent: Sent, margin: Margin) -> Self {
        let lease = grant.until.map(|until| until.since(sent.store));
        Self::until(grant.sequence, lease, sent.monotonic, margin)
    }

    /// What a renewal that was sent then came to.
    #[must_use]
    pub fn renewed(
        sequence: u64,
        lease: Option<Duration>,
        monotonic: Timestamp,
        margin: Margin,
    ) -> Self {
        Self::until(sequence, lease, monotonic, margin)
    }

    fn until(sequence: u64, lease: Option<Duration>, from: Timestamp, margin: Margin) -> Self {
        let usable = |lease: Duration| from.after(lease.saturating_sub(margin.of(lease)));
        Self {
            sequence,
            usable_until: lease.map(usable),
            renew_at: lease.map(|lease| from.after(lease / 3)),
            lease,
        }
    }

    /// Whether its addresses may be used.
    #[must_use]
    pub fn is_usable(&self, monotonic: Timestamp) -> bool {
        self.usable_until.is_none_or(|until| monotonic < until)
    }
}

/// What a host has to do about its claims, by owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be renewed.
    pub renew: Vec<String>,
    /// Whose addresses must not be used any more: the lease may be over for others. Asking again may get the claim back.
    pub stop: Vec<String>,
}

/// The claims that a host holds. Pure: it has no clock, and does nothing but to say what is due.
///
/// ```
/// use ipam::store::{HeldClaims, Margin, Sent};
/// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
/// # use std::time::Duration;
/// # let at = Timestamp::from_secs;
/// # let mut ipam = Ipam::new(7);
/// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// # let lease = Duration::from_secs(60);
/// # let grant = ipam.claim(at(1000), &Request::new("c1/eth0").lease(lease))?;
/// let mut held = HeldClaims::new(Margin::default());
/// held.granted("c1/eth0", &grant, Sent { store: at(1000), monotonic: at(5) });
/// assert_eq!(held.due(at(24)).renew, Vec::<String>::new());
/// assert_eq!(held.due(at(25)).renew, ["c1/eth0"]); // a third of the lease is over
/// held.renewed("c1/eth0", grant.sequence, Some(lease), at(25));
/// // No renewal came through: a margin before its end the address is not used any more.
/// assert_eq!(held.due(at(25 + 54)).stop, ["c1/eth0"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HeldClaims {
    margin: Margin,
    claims: BTreeMap<String, Held>,
}

impl HeldClaims {
    /// None yet.
    #[must_use]
    pub fn new(margin: Margin) -> Self {
        let claims = BTreeMap::new();
        Self { margin, claims }
    }

    /// A request that was sent then was granted.
    pub fn granted(&mut self, owner: &str, grant: &Grant, sent: Sent) {
        let held = Held::granted(grant, sent, self.margin);
        self.claims.insert(owner.to_string(), held);
    }

    /// A renewal that was sent then, by the host's monotonic clock, succeeded.
    pub fn renewed(
        &mut self,
        owner: &str,
        sequence: u64,
        lease: Option<Duration>,
        monotonic: Timestamp,
    ) {
        let held = Held::renewed(sequence, lease, monotonic, self.margin);
        self.claims.insert(owner.to_string(), held);
    }

    /// A claim was released, or is no longer the owner's.
    pub fn ended(&mut self, owner: &str) -> Option<Held> {
        self.claims.remove(owner)
    }

    /// An owner's claim.
    #[must_use]
    pub fn get(&self, owner: &str) -> Option<&Held> {
        self.claims.get(owner)
    }

    /// All, in order of owner.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Held)> {
        self.claims.iter().map(|(owner, held)| (&**owner, held))
    }

    /// What is to be done by now, in order of owner. What must not be used any more is not renewed. Linear in the claims.
    #[must_use]
    pub fn due(&self, monotonic: Timestamp) -> Due {
        let mut due = Due::default();
        for (owner, held) in &self.claims {
            if !held.is_usable(monotonic) {
                due.stop.push(owner.clone());
            } else if held.renew_at.is_some_and(|at| at <= monotonic) {
                due.renew.push(owner.clone());
            }
        }
        due
    }

    /// When something is due next, which may be past. Linear in the claims.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let times = self.claims.values();
        let times = times.flat_map(|held| [held.renew_at, held.usable_until]);
        times.flatten().min()
    }
}
