//! What one seed runs: how many hosts, which pools, which clocks, how often what goes wrong.

use crate::Bug;
use ipam::claim::Families;
use ipam::pool::{Affinity, Order};
use ipam::rng::stream;
use ipam::store::{Held, Margin};
use ipam::{Cidr, PoolSpec, Timestamp};
use rand::{Rng, RngExt as _};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// When a simulation begins: any time will do, so long as clocks can jump to before it.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_000_000);
/// How long a sticky address stays with its workload.
pub(crate) const STICKY: Duration = Duration::from_secs(40);
/// How long an owner is missing before it is collected. Longer than any one operation takes.
pub(crate) const GRACE: Duration = Duration::from_secs(90);
/// How long a client waits for an answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(4);
/// The longest that a message or a host is held up.
pub(crate) const LONGEST_STALL: Duration = Duration::from_secs(20);
/// After this long an agent gives an operation up, wherever it is.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(15);

/// Milliseconds by which a wall clock may be wrong: a day.
const DAY: i64 = 24 * 3600 * 1000;

/// How often a message goes wrong, in permille.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) lost: u32,
    pub(crate) unanswered: u32,
    pub(crate) doubled: u32,
    pub(crate) slow: u32,
}

/// What one seed runs.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) bug: Option<Bug>,
    pub(crate) hosts: usize,
    /// Owners of a host that stay on it.
    pub(crate) plain: usize,
    /// Workloads that may run on any host.
    pub(crate) movable: usize,
    pub(crate) pools: Vec<PoolSpec>,
    /// One that comes and goes.
    pub(crate) passing: Option<PoolSpec>,
    /// What every container asks for.
    pub(crate) families: Families,
    pub(crate) lease: Option<Duration>,
    /// Whether hosts go by the store's clock, and not each by its own.
    pub(crate) shared_time: bool,
    /// Host clocks are at most so many milliseconds behind and ahead.
    pub(crate) clocks: (i64, i64),
    pub(crate) rates: Rates,
    /// Commits that the store remembers for those who watch.
    pub(crate) history: usize,
    /// How long hosts work before all is calm.
    pub(crate) busy: Duration,
    /// The mean time between two things that a host does.
    pub(crate) pause: Duration,
    /// The mean time between two faults of hosts or records.
    pub(crate) faults: Duration,
}

impl Setup {
    /// What a seed draws.
    pub(crate) fn draw(seed: u64, bug: Option<Bug>) -> Self {
        let rng = &mut stream(seed, "setup");
        // Few hosts meet more often, and cost less.
        let hosts = 3 + rng.random_range(0..18).min(rng.random_range(0..18));
        let (plain, movable) = (rng.random_range(2..4), rng.random_range(2..5));
        let lease = rng
            .random_bool(0.6)
            .then(|| Duration::from_secs(rng.random_range(100..160)));
        // Where hosts go by the store's time, theirs may leap by a day.
        let own = *pick(rng, &[(-2_000, 0), (-2_000, 0), (-10_000, 10_000)]);
        let shared_time = rng.random_bool(0.6);
        let clocks = if shared_time { (-DAY, DAY) } else { own };
        let busy = Duration::from_secs(rng.random_range(200..400));
        let rate = |rng: &mut _| *pick(rng, &[0, 5, 20, 60]);
        let mut pools = pools(rng, hosts * plain + movable, lease);
        // Drawn apart, so that they alter nothing else.
        let rng_beside = &mut stream(seed, "families and pools that pass");
        let families = *pick(
            rng_beside,
            &[Families::V4, Families::V4, Families::V6, Families::Dual],
        );
        let passing = rng_beside.random_bool(0.3).then(|| passing(&pools[0]));
        let passing = passing.map(|spec| match families {
            Families::V6 => v6(spec),
            _ => spec,
        });
        match families {
            Families::V4 => {}
            Families::V6 => pools = pools.into_iter().map(v6).collect(),
            Families::Dual => {
                let mut twin = v6(pools[0].clone());
                twin.name.push('6');
                pools.push(twin);
            }
        }
        Self {
            seed,
            bug,
            hosts,
            plain,
            movable,
            pools,
            passing,
            families,
            lease,
            shared_time,
            clocks,
            rates: Rates {
                lost: rate(rng),
                unanswered: rate(rng),
                doubled: rate(rng),
                slow: *pick(rng, &[0, 2, 10]),
            },
            history: *pick(rng, &[4, 64, 4096]),
            busy,
            pause: busy * hosts as u32 / rng.random_range(150..300),
            faults: busy / rng.random_range(8..40),
        }
    }

    /// Many hosts in a large pool, where nothing goes wrong.
    pub(crate) fn large(hosts: usize, pool: PoolSpec) -> Self {
        Self {
            seed: 7,
            bug: None,
            hosts,
            plain: 0,
            movable: 0,
            pools: vec![pool],
            passing: None,
            families: Families::V4,
            lease: None,
            shared_time: false,
            clocks: (0, 0),
            rates: Rates::default(),
            history: 4096,
            busy: Duration::MAX,
            pause: Duration::from_secs(1),
            faults: Duration::MAX,
        }
    }

    /// All pools that there may be.
    pub(crate) fn all_pools(&self) -> impl Iterator<Item = &PoolSpec> {
        self.pools.iter().chain(&self.passing)
    }

    /// By how much two hosts' nows may differ.
    pub(crate) fn slack(&self) -> Duration {
        match self.shared_time {
            true => Margin::default().lag,
            false => Duration::from_millis(self.clocks.1.abs_diff(self.clocks.0)),
        }
    }

    /// How long before the end of its lease a host stops using an address.
    pub(crate) fn margin(&self) -> Margin {
        match self.shared_time {
            true => Margin::default(),
            false => Margin {
                lag: self.slack() + Duration::from_secs(2),
                drift_ppm: 0,
            },
        }
    }

    /// When a host stops using what it asked for or renewed at a time by its monotonic clock.
    pub(crate) fn lease_ends(&self, sent: Timestamp) -> Timestamp {
        Held::renewed(0, self.lease, sent, self.margin())
            .usable_until
            .unwrap_or(Timestamp::MAX)
    }
}

/// A pool with a few addresses more, for a time.
fn passing(of: &PoolSpec) -> PoolSpec {
    let mut spec = of.clone();
    spec.name = "z".into();
    if let Ok(cidr) = "10.2.0.0/29".parse() {
        (spec.cidr, spec.block_size) = (cidr, 30);
    }
    spec
}

/// The same pool of IPv6, with as many addresses.
fn v6(mut spec: PoolSpec) -> PoolSpec {
    const BITS: u8 = 128 - 32;
    if let IpAddr::V4(first) = spec.cidr.first() {
        let first = Ipv6Addr::from_bits(0xfd << 120 | u128::from(first.to_bits()));
        if let Ok(cidr) = Cidr::new(first.into(), spec.cidr.prefix() + BITS) {
            (spec.cidr, spec.block_size) = (cidr, spec.block_size + BITS);
        }
    }
    spec
}

/// One of several.
pub(crate) fn pick<'a, T>(rng: &mut impl Rng, of: &'a [T]) -> &'a T {
    &of[rng.random_range(0..of.len())]
}

/// A pool, seldom two, with room for some of the owners or for all.
fn pools(rng: &mut impl Rng, owners: usize, lease: Option<Duration>) -> Vec<PoolSpec> {
    let room = owners * rng.random_range(7..30) / 10;
    let bits = room.next_power_of_two().trailing_zeros().clamp(3, 8) as u8;
    let mut pools = Vec::new();
    for (name, bits) in [("p", bits), ("q", 3)] {
        let first = if name == "p" { "10.0.0.0" } else { "10.1.0.0" };
        let Ok(cidr) = format!("{first}/{}", 32 - bits).parse() else {
            continue;
        };
        let mut spec = PoolSpec::new(name, cidr)
            .block_size(*pick(rng, &[28, 29, 30]).max(&(32 - bits)))
            .quarantine(Duration::from_secs(rng.random_range(10..40)))
            .order(*pick(
                rng,
                &[Order::Lowest, Order::RoundRobin, Order::Random, Order::Lru],
            ))
            .affinity(*pick(
                rng,
                &[
                    Affinity::Borrow,
                    Affinity::Borrow,
                    Affinity::Strict,
                    Affinity::Off,
                ],
            ));
        spec.lease = lease;
        spec.reclaim_after = Duration::from_secs(rng.random_range(20..50));
        pools.push(spec);
        if !rng.random_bool(0.3) {
            break;
        }
    }
    pools
}
