//! A claim's cost as each dimension of the state grows apart: which of them it depends on.

use crate::Measured;
use crate::measure::ns_per_call;
use ipam::{
    Cidr, Grant, Ipam, PoolSpec, Request, Timestamp,
    change::HostSettings,
    pool::{Affinity, Order},
};
use std::net::IpAddr;
use std::time::Duration;

/// One way for a state to be large.
struct Dimension {
    name: &'static str,
    /// A state with `n` of it.
    build: fn(u32) -> Result<Ipam, String>,
    /// The claim that is made and released, of owner `probe`.
    probe: fn() -> Request<'static>,
    /// Whether the guide says that the cost depends on it.
    linear: bool,
}

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn spec(cidr: &str) -> Result<PoolSpec, String> {
    let cidr: Cidr = cidr.parse().map_err(|e| format!("{cidr}: {e}"))?;
    Ok(PoolSpec::new("p", cidr).quarantine(Duration::ZERO))
}

fn with(spec: PoolSpec) -> Result<Ipam, String> {
    let mut ipam = Ipam::new(7);
    ipam.add_pool(at(1), spec).map_err(|e| e.to_string())?;
    Ok(ipam)
}

fn claim(ipam: &mut Ipam, now: u64, request: &Request<'_>) -> Result<Grant, String> {
    ipam.claim(at(now), request).map_err(|e| e.to_string())
}

fn release(ipam: &mut Ipam, now: u64, owner: &str, sequence: u64) -> Result<(), String> {
    ipam.release(at(now), owner, sequence)
        .map_err(|e| e.to_string())
}

fn address(n: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + n).to_be_bytes())
}

fn plain() -> Request<'static> {
    Request::new("probe").host("h0").workload("probe/w")
}

/// Claims of `n` owners, each with a workload; `hosts` of them.
fn claims(n: u32, hosts: u32, spec: PoolSpec) -> Result<Ipam, String> {
    let mut ipam = with(spec)?;
    for i in 0..n {
        let (owner, workload) = (format!("c{i}"), format!("w{i}"));
        let host = format!("h{}", i % hosts);
        let request = Request::new(&owner).workload(&workload).host(&host);
        claim(&mut ipam, 1, &request)?;
    }
    Ok(ipam)
}

/// `n` addresses were given and released, of as many hosts' blocks.
fn released(n: u32, spec: PoolSpec, now: u64) -> Result<Ipam, String> {
    let mut ipam = claims(n, 16, spec)?;
    for i in 0..n {
        let owner = format!("c{i}");
        let sequence = ipam
            .claim_of(&owner)
            .map_or(0, ipam::claim::ClaimRef::sequence);
        release(&mut ipam, now, &owner, sequence)?;
    }
    Ok(ipam)
}

fn reserved(n: u32) -> Result<Ipam, String> {
    let mut ipam = with(spec("10.0.0.0/8")?)?;
    let range = ipam::net::AddressRange::new(address(1 << 20), address((1 << 20) + n - 1));
    let range = range.map_err(|e| e.to_string())?;
    ipam.reserve(at(1), "big/w", &[range])
        .map_err(|e| e.to_string())?;
    Ok(ipam)
}

const DIMENSIONS: [Dimension; 24] = [
    Dimension {
        name: "claims, blocks of hosts",
        build: |n| claims(n, 64, spec("10.0.0.0/8")?),
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "claims, one pool for all hosts",
        build: |n| claims(n, 64, spec("10.0.0.0/8")?.affinity(Affinity::Off)),
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "claims, sparse IPv6",
        build: |n| {
            let mut ipam = with(spec("fd00::/64")?)?;
            for i in 0..n {
                let (owner, host) = (format!("c{i}"), format!("h{}", i % 64));
                let request = Request::new(&owner).host(&host);
                claim(&mut ipam, 1, &request.families(ipam::claim::Families::V6))?;
            }
            Ok(ipam)
        },
        probe: || plain().families(ipam::claim::Families::V6),
        linear: false,
    },
    Dimension {
        name: "hosts with a block each",
        build: |n| claims(n, n, spec("10.0.0.0/8")?),
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "addresses reserved to the workload that claims",
        build: reserved,
        probe: || {
            Request::new("probe")
                .host("h0")
                .workload("big/w")
                .fixed(&[])
        },
        linear: false,
    },
    Dimension {
        name: "addresses reserved to the workload, the last one asked for",
        build: reserved,
        probe: || {
            const LAST: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 16, 1, 200))];
            let request = Request::new("probe").host("h0").workload("big/w");
            request.fixed(&[]).addresses(&LAST)
        },
        linear: false,
    },
    Dimension {
        name: "addresses reserved to the workload, those of another pool",
        build: |n| {
            let mut ipam = reserved(n)?;
            let mut other = spec("11.0.0.0/16")?;
            other.name = "other".into();
            ipam.add_pool(at(1), other).map_err(|e| e.to_string())?;
            Ok(ipam)
        },
        probe: || Request::new("probe").workload("big/w").pools(&["other"]),
        linear: false,
    },
    Dimension {
        name: "addresses reserved to the workload, all held but one",
        build: |n| {
            let mut ipam = reserved(n)?;
            for i in 0..n - 1 {
                let (owner, asked) = (format!("c{i}"), [address((1 << 20) + i)]);
                let request = Request::new(&owner).workload("big/w").host("h0");
                claim(&mut ipam, 1, &request.addresses(&asked))?;
            }
            Ok(ipam)
        },
        probe: || Request::new("probe").workload("big/w").host("h0"),
        linear: false,
    },
    Dimension {
        name: "addresses reserved to the workload, all held by claims that are over",
        build: |n| {
            let mut ipam = reserved(n)?;
            for i in 0..n - 1 {
                let (owner, asked) = (format!("c{i}"), [address((1 << 20) + i)]);
                let request = Request::new(&owner).workload("big/w").host("h0");
                let request = Request {
                    lease: Some(Duration::from_nanos(1)),
                    ..request
                };
                claim(&mut ipam, 1, &request.addresses(&asked))?;
            }
            Ok(ipam)
        },
        probe: || plain().host("h0"),
        linear: false,
    },
    Dimension {
        name: "pools, the last one named",
        build: |n| {
            let mut ipam = Ipam::new(7);
            for i in 0..n {
                let mut pool = spec(&format!("{}/28", address(i * 16)))?;
                pool.name = format!("p{i:05}");
                ipam.add_pool(at(1), pool).map_err(|e| e.to_string())?;
            }
            let mut last = spec("11.0.0.0/24")?;
            last.name = "last".into();
            ipam.add_pool(at(1), last).map_err(|e| e.to_string())?;
            Ok(ipam)
        },
        probe: || plain().pools(&["last"]),
        linear: true,
    },
    Dimension {
        name: "claims of a host that drains",
        build: |n| claims(n, 1, spec("10.0.0.0/8")?),
        probe: || Request::new("probe").host("other").workload("probe/w"),
        linear: false,
    },
    Dimension {
        name: "addresses reserved to another workload",
        build: reserved,
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "claims of the workload that claims",
        build: |n| {
            let mut ipam = with(spec("10.0.0.0/8")?)?;
            for i in 0..n {
                let owner = format!("c{i}");
                let request = Request::new(&owner).workload("probe/w").host("h0");
                claim(&mut ipam, 1, &request.sticky(Duration::from_secs(60)))?;
            }
            Ok(ipam)
        },
        probe: || plain().sticky(Duration::from_secs(60)),
        linear: false,
    },
    Dimension {
        name: "addresses of sticky workloads that are gone",
        build: |n| {
            let mut ipam = with(spec("10.0.0.0/8")?)?;
            for i in 0..n {
                let (owner, workload) = (format!("c{i}"), format!("w{i}"));
                let request = Request::new(&owner).workload(&workload).host("h0");
                let grant = claim(&mut ipam, 1, &request.sticky(Duration::from_secs(9_000)))?;
                release(&mut ipam, 1, &owner, grant.sequence)?;
            }
            Ok(ipam)
        },
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "workloads that move",
        build: |n| {
            let mut ipam = with(spec("10.0.0.0/8")?)?;
            for i in 0..n {
                let (owner, workload) = (format!("c{i}"), format!("w{i}"));
                let request = Request::new(&owner).workload(&workload).host("h0");
                claim(&mut ipam, 1, &request.sticky(Duration::from_secs(60)))?;
                ipam.begin_move(at(1), &*workload, "h0", "h1")
                    .map_err(|e| e.to_string())?;
            }
            Ok(ipam)
        },
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "suspects",
        build: |n| {
            let mut ipam = claims(n, 64, spec("10.0.0.0/8")?)?;
            ipam.reconcile(at(2), at(2), Duration::from_secs(900), |_| false);
            Ok(ipam)
        },
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "addresses in quarantine",
        build: |n| {
            released(
                n,
                spec("10.0.0.0/8")?.quarantine(Duration::from_secs(9_000)),
                1,
            )
        },
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "addresses in quarantine, a full pool, early reuse",
        build: |n| {
            let bits = 32 - n.next_power_of_two().ilog2();
            let spec = spec(&format!("10.0.0.0/{bits}"))?.affinity(Affinity::Off);
            let spec = spec.quarantine(Duration::from_secs(9_000)).early_reuse();
            released(n - 2, spec, 1)
        },
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "released addresses, least recently used first, claims without a host",
        build: |n| released(n, spec("10.0.0.0/8")?, 1),
        probe: || Request::new("probe"),
        linear: false,
    },
    Dimension {
        name: "released addresses, all of the pool's, claims without a host",
        build: |n| {
            let bits = 32 - n.next_power_of_two().ilog2();
            released(n - 2, spec(&format!("10.0.0.0/{bits}"))?, 1)
        },
        probe: || Request::new("probe"),
        linear: false,
    },
    Dimension {
        name: "released addresses, lowest first",
        build: |n| released(n, spec("10.0.0.0/8")?.order(Order::Lowest), 1),
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "full blocks of nobody",
        build: |n| {
            let mut ipam = with(spec("10.0.0.0/8")?.block_size(30))?;
            for i in 0..n {
                let owner = format!("c{i}");
                claim(&mut ipam, 1, &Request::new(&owner))?;
            }
            Ok(ipam)
        },
        probe: plain,
        linear: false,
    },
    Dimension {
        name: "blocks of a host at its limit",
        build: |n| {
            let mut ipam = claims(n, n, spec("10.0.0.0/8")?.block_size(30))?;
            let settings = HostSettings {
                block_limit: Some(0),
                ..HostSettings::default()
            };
            ipam.set_host(at(1), "new", settings)
                .map_err(|e| e.to_string())?;
            Ok(ipam)
        },
        probe: || Request::new("probe").host("new").workload("probe/w"),
        linear: false,
    },
    Dimension {
        name: "the probe's host drains its blocks",
        build: |n| {
            let mut ipam = with(spec("10.0.0.0/8")?.block_size(30))?;
            for i in 0..n {
                let owner = format!("c{i}");
                claim(&mut ipam, 1, &Request::new(&owner).host("h0"))?;
            }
            claim(&mut ipam, 1, &Request::new("other").host("h1"))?;
            let settings = HostSettings {
                draining: true,
                ..HostSettings::default()
            };
            ipam.set_host(at(1), "h0", settings)
                .map_err(|e| e.to_string())?;
            Ok(ipam)
        },
        probe: plain,
        linear: false,
    },
];

/// Nanoseconds of a claim and its release in a state of this size.
fn cost(dimension: &Dimension, n: u32) -> Result<f64, String> {
    let mut ipam = (dimension.build)(n).map_err(|e| format!("{}: {e}", dimension.name))?;
    let request = (dimension.probe)();
    let mut failed = None;
    let mut now = 2;
    let ns = ns_per_call(5, 400, |_| {
        now += 1;
        let done = claim(&mut ipam, now, &request)
            .and_then(|grant| release(&mut ipam, now, "probe", grant.sequence));
        failed = failed.take().or(done.err());
    })?;
    match failed {
        Some(error) => Err(format!("{}: {error}", dimension.name)),
        None => Ok(ns),
    }
}

/// The worst growth of a claim's cost over a state 32 times as large, of all dimensions but those
/// of which the guide says that it depends on them.
pub(super) fn growth() -> Result<Measured, String> {
    const SIZES: (u32, u32) = (500, 16_000);
    let mut worst = 0.0f64;
    for dimension in &DIMENSIONS {
        let (small, large) = (cost(dimension, SIZES.0)?, cost(dimension, SIZES.1)?);
        eprintln!("  {small:>9.0} ns {large:>9.0} ns  {}", dimension.name);
        if dimension.linear {
            continue;
        }
        // Below a microsecond caches decide.
        let ratio = large.max(1000.0) / small.max(1000.0);
        worst = worst.max(ratio);
    }
    Ok(Measured::alone(worst))
}
