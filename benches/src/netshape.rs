//! Figures of `netshape`: planning, decoding, dividing at ten thousand containers.

use crate::measure::{ns_per_call, thread_cpu_ns};
use crate::{Figure, Judge, Limit, Measured};
use netshape::elastic::{Claim, Scratch, divide};
use netshape::kernel::KernelModel;
use netshape::netlink::{TcMessage, load};
use netshape::plan::{diff, diff_touched};
use netshape::tc::parse_line;
use netshape::{Capabilities, Container, Device, Direction, Host, Rate, Shape, Tier, Uplink};
use std::collections::BTreeMap;
use std::hint::black_box;

mod kernel;
mod nlink;
mod samples;
mod traffic;

use nlink::{beside_nlink, nlink};
use samples::sample_bytes;

const CONTAINERS: usize = 10_000;

/// A host with ten thousand containers, each shaped both ways and sharing the uplink.
fn host() -> Result<Host, String> {
    let uplink = Uplink::new("eth0", Rate::gbit(400), Rate::gbit(1))
        .map_err(|e| e.to_string())?
        .classified_by(netshape::policy::Classifier::Priority);
    let tiers = ["gold", "silver", "bronze"].iter().zip([4, 2, 1]);
    let tiers: Result<Vec<Tier>, _> = tiers
        .map(|(name, weight)| Tier::new(name, weight))
        .collect();
    let tiers = tiers.map_err(|e| e.to_string())?;
    let mut host =
        Host::new(Some(uplink), tiers, Capabilities::default()).map_err(|e| e.to_string())?;
    for i in 0..CONTAINERS {
        host.insert(container(i)?).map_err(|e| e.to_string())?;
    }
    Ok(host)
}

fn container(i: usize) -> Result<Container, String> {
    let shape =
        Shape::new(Rate::mbit(1 + i as u64 % 30), Rate::mbit(200)).map_err(|e| e.to_string())?;
    let tier = ["gold", "silver", "bronze"]
        .get(i % 3)
        .copied()
        .unwrap_or("gold");
    let container = Container::new(&format!("container-{i}"), &format!("veth{i}"));
    let container = container.map_err(|e| e.to_string())?.with_tier(tier);
    Ok(container
        .with_shape(Direction::Ingress, shape)
        .with_shape(Direction::Egress, shape))
}

/// All devices there, and everything carried out.
fn settled(host: &Host) -> Result<KernelModel, String> {
    let mut kernel = KernelModel::new();
    for name in host.device_names() {
        kernel.put_device(name, Device::new());
    }
    let plan = diff(kernel.state(), host);
    kernel
        .apply_all(&plan)
        .map_err(|(i, e)| format!("step {i}: {e}"))?;
    Ok(kernel)
}

/// From containers to a whole plan, admission included, from nothing.
fn plan_all() -> Result<Measured, String> {
    // A mean of many: the kernel counts a thread's CPU time in ticks of some milliseconds, which one round is few of.
    const ROUNDS: u32 = 24;
    let mut spent = 0.0;
    for _ in 0..ROUNDS {
        let containers: Result<Vec<Container>, String> = (0..CONTAINERS).map(container).collect();
        let mut host = {
            let uplink = Uplink::new("eth0", Rate::gbit(400), Rate::gbit(1))
                .map_err(|e| e.to_string())?
                .classified_by(netshape::policy::Classifier::Priority);
            let tiers: Result<Vec<Tier>, _> = ["gold", "silver", "bronze"]
                .map(|n| Tier::new(n, 2))
                .into_iter()
                .collect();
            Host::new(
                Some(uplink),
                tiers.map_err(|e| e.to_string())?,
                Capabilities::default(),
            )
            .map_err(|e| e.to_string())?
        };
        let containers = containers?;
        let kernel = KernelModel::new();
        let start = thread_cpu_ns()?;
        host.reserve(CONTAINERS);
        for container in containers {
            host.insert(container).map_err(|e| e.to_string())?;
        }
        let plan = diff(kernel.state(), &host);
        spent += thread_cpu_ns()?.saturating_sub(start) as f64 / 1e6;
        if black_box(&plan).len() < 8 * CONTAINERS {
            return Err(format!("{} steps", plan.len()));
        }
    }
    Ok(Measured::alone(spent / f64::from(ROUNDS)))
}

/// One container's egress allocation changes: a plan of one step against ten thousand observed classes.
fn plan_one() -> Result<Measured, String> {
    let mut host = host()?;
    let kernel = settled(&host)?;
    let _ = diff_touched(kernel.state(), &mut host);
    let slots: Vec<_> = host.containers().map(|(slot, _)| slot).collect();
    let rounds = 2_000_usize;
    let start = thread_cpu_ns()?;
    for i in 0..rounds {
        let slot = *slots.get(i * 47 % slots.len()).ok_or("no slot")?;
        host.allocate(slot, Direction::Egress, Some(Rate::mbit(60 + i as u64 % 7)));
        let plan = diff_touched(kernel.state(), &mut host);
        if black_box(&plan).len() != 1 {
            return Err(format!("{} steps", plan.len()));
        }
    }
    let spent = thread_cpu_ns()?.saturating_sub(start);
    Ok(Measured::alone(spent as f64 / 1e6 / rounds as f64))
}

/// One container leaves and one comes, both ends and the uplink.
fn plan_turnover() -> Result<Measured, String> {
    let mut host = host()?;
    let kernel = settled(&host)?;
    let _ = diff_touched(kernel.state(), &mut host);
    let rounds = 1_000_usize;
    let newcomers: Result<Vec<Container>, String> =
        (0..rounds).map(|i| container(CONTAINERS + i)).collect();
    let newcomers = newcomers?;
    let start = thread_cpu_ns()?;
    for (i, newcomer) in newcomers.into_iter().enumerate() {
        host.remove(&format!("container-{i}"));
        host.insert(newcomer).map_err(|e| e.to_string())?;
        let plan = diff_touched(kernel.state(), &mut host);
        // Two roots go, one class; two trees of three come, one class with its leaf; tiers may change.
        if black_box(&plan).len() < 10 {
            return Err(format!("{} steps", plan.len()));
        }
    }
    let spent = thread_cpu_ns()?.saturating_sub(start);
    Ok(Measured::alone(spent as f64 / 1e6 / rounds as f64))
}

/// Where a class stands in HTB's hash table of 16,384 buckets (`qdisc_class_hash`), which is the order of a dump.
const fn bucket(minor: usize) -> usize {
    let id = 0x1_0000 | minor;
    let id = id ^ (id >> 8);
    (id ^ (id >> 4)) & 0x3fff
}

/// A dump of ten thousand classes with their counters' attributes, as the kernel lays it out and in its order.
fn dump() -> Result<Vec<u8>, String> {
    let devices = [("d0".to_owned(), 3)].into_iter().collect();
    let mut bytes = Vec::new();
    let mut order: Vec<usize> = (0..CONTAINERS).collect();
    order.sort_by_key(|i| bucket(i + 256));
    for i in order {
        let line = format!(
            "class add dev d0 parent 1:1 classid 1:{:x} htb rate {}mbit ceil 1gbit",
            i + 256,
            1 + i % 90
        );
        let message = parse_line(&line, netshape::tc::TickRounding::Ceil, &devices)
            .map_err(|e| e.to_string())?;
        let message: TcMessage<'static> = message.ok_or("no message")?;
        let start = bytes.len();
        message.encode(&mut bytes).map_err(|e| e.to_string())?;
        // TCA_XSTATS, TCA_STATS, TCA_STATS2 {basic, queue, app}: what a real dump carries and a plan passes over.
        for (kind, len) in [(3_u16, 36_u16), (7, 68), (4, 20)] {
            bytes.extend_from_slice(&(len + 4).to_le_bytes());
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.resize(bytes.len() + usize::from(len), 0);
        }
        let len = u32::try_from(bytes.len() - start).unwrap_or(0);
        bytes
            .get_mut(start..start + 4)
            .ok_or("short")?
            .copy_from_slice(&len.to_le_bytes());
    }
    Ok(bytes)
}

fn decode_dump() -> Result<Measured, String> {
    let bytes = dump()?;
    let ns = ns_per_call(9, 20, |_| {
        let mut devices = BTreeMap::new();
        let outcome = load(&bytes, &mut devices);
        (outcome.is_ok(), devices)
    })?;
    let mut devices = BTreeMap::new();
    load(&bytes, &mut devices).map_err(|e| e.to_string())?;
    let classes = devices.get(&3).map_or(0, |d| d.classes().len());
    if classes != CONTAINERS {
        return Err(format!("{classes} classes"));
    }
    Ok(Measured::alone(ns / 1e6))
}

/// One whole division of ten thousand claims that don't fit in, each time other demands.
fn division() -> Result<Measured, String> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let sets: Vec<Vec<Claim>> = (0..8)
        .map(|_| {
            let claim = |_| {
                let floor = next() % 5_000_000;
                Claim {
                    floor,
                    cap: floor + next() % 300_000_000,
                    weight: 1 + (next() % 7) as u32,
                }
            };
            (0..CONTAINERS).map(claim).collect()
        })
        .collect();
    let (mut scratch, mut shares) = (Scratch::new(), Vec::new());
    let ns = ns_per_call(9, 64, |i| {
        let claims = sets.get(i % sets.len()).map_or(&[][..], Vec::as_slice);
        divide(
            400_000_000_000,
            claims,
            |i| i as u64,
            &mut scratch,
            &mut shares,
        );
        shares.first().copied()
    })?;
    let sum: u64 = shares.iter().sum();
    if sum != 400_000_000_000 {
        return Err(format!("sum {sum}"));
    }
    Ok(Measured::alone(ns / 1e6))
}

/// The whole diff of ten thousand observed classes with ten thousand wanted ones where one in ten differs.
fn whole_diff() -> Result<Measured, String> {
    let mut host = host()?;
    let kernel = settled(&host)?;
    let slots: Vec<_> = host.containers().map(|(slot, _)| slot).collect();
    for slot in slots.iter().step_by(10) {
        host.allocate(*slot, Direction::Egress, Some(Rate::mbit(77)));
    }
    let mut steps = 0;
    let ns = ns_per_call(5, 4, |_| {
        let plan = diff(kernel.state(), &host);
        steps = plan.len();
        plan
    })?;
    if steps != CONTAINERS.div_ceil(10) {
        return Err(format!("{steps} steps"));
    }
    Ok(Measured::alone(ns / 1e6))
}

/// The rows.
#[must_use]
pub fn figures() -> Vec<Figure> {
    [alone(), beside(), kernel::figures(), traffic::figures()].concat()
}

/// What our own operations take.
fn alone() -> Vec<Figure> {
    let row = |id, what, must, aim, run| Figure {
        id,
        what,
        unit: "ms",
        judge: Judge::Ours,
        must: Limit::AtMost(must),
        aim: Limit::AtMost(aim),
        long: false,
        run,
    };
    vec![
        row(
            "netshape/plan-10k",
            "admit and plan 10,000 containers from nothing, 80,005 steps",
            50.0,
            10.0,
            plan_all,
        ),
        row(
            "netshape/plan-1-of-10k",
            "plan one changed class among 10,000",
            1.0,
            0.1,
            plan_one,
        ),
        row(
            "netshape/turnover-1-of-10k",
            "plan one container leaving and one coming among 10,000",
            1.0,
            0.1,
            plan_turnover,
        ),
        row(
            "netshape/decode-10k",
            "decode a dump of 10,000 classes into a device",
            10.0,
            3.0,
            decode_dump,
        ),
        row(
            "netshape/divide-10k",
            "elastic division of 10,000 classes, exact weighted max-min",
            2.0,
            0.5,
            division,
        ),
        row(
            "netshape/diff-10k",
            "whole diff of 20,001 devices, 1,000 of 30,005 classes differ",
            50.0,
            10.0,
            whole_diff,
        ),
    ]
}

/// Ours beside a peer's, and beside what tc sends.
fn beside() -> Vec<Figure> {
    vec![
        beside_nlink(
            "netshape/diff-nlink",
            "diff beside nlink 0.33's, one device with 10,000 containers' classes as a kernel dumps them, 1,000 differ",
            || nlink("uplink"),
        ),
        beside_nlink(
            "netshape/diff-nlink-veths",
            "diff beside nlink 0.33's, 1,000 devices as a kernel dumps them, 100 classes differ",
            || nlink("veths"),
        ),
        Figure {
            id: "netshape/sample-bytes",
            what: "captured tc requests equal byte for byte, or refused alike, of all shared set-ups",
            unit: "share",
            judge: Judge::Ours,
            must: Limit::AtLeast(1.0),
            aim: Limit::AtLeast(1.0),
            long: false,
            run: sample_bytes,
        },
    ]
}
