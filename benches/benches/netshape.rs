//! `netshape`'s main calls: `cargo bench -p benches --bench netshape`, on a host with a thousand containers, each shaped both
//! ways below a shared uplink. How to read them:
//!
//! - `plan/everything`: an agent that starts on a host where nothing is shaped: admission and the whole plan.
//! - `plan/nothing-to-do`: the agent's periodic check: the observed state is compared with what is wanted, and agrees.
//! - `plan/one-change`: a container's share changes. It must not depend on how many containers there are.
//! - `plan/one-comes-one-goes`: the same for a container that ends and one that starts.
//! - `encode` and `decode`: requests for a thousand classes to netlink bytes, and a dump of as many read back.
//! - `elastic/divide`: once a second and direction, spare bandwidth of a thousand classes is divided anew.
#![forbid(unsafe_code)]

mod common;

use common::quick;
use criterion::{Criterion, criterion_group, criterion_main};
use netshape::elastic::{Claim, Scratch, divide};
use netshape::kernel::KernelModel;
use netshape::netlink::{TcMessage, load};
use netshape::plan::{diff, diff_touched};
use netshape::tc::{TickRounding, parse_line};
use netshape::{Capabilities, Container, Device, Direction, Host, Rate, Shape, Tier, Uplink};
use std::collections::BTreeMap;
use std::hint::black_box;

type Failure = Box<dyn std::error::Error>;

const CONTAINERS: usize = 1_000;
const TIERS: [(&str, u32); 3] = [("gold", 4), ("silver", 2), ("bronze", 1)];

fn container(i: usize) -> Result<Container, Failure> {
    let shape = Shape::new(Rate::mbit(1 + i as u64 % 30), Rate::mbit(200))?;
    let container = Container::new(&format!("container-{i}"), &format!("veth{i}"))?;
    let container = container.with_tier(TIERS[i % TIERS.len()].0);
    let container = container.with_shape(Direction::Ingress, shape);
    Ok(container.with_shape(Direction::Egress, shape))
}

fn host(containers: usize) -> Result<Host, Failure> {
    let uplink = Uplink::new("eth0", Rate::gbit(100), Rate::gbit(1))?
        .classified_by(netshape::policy::Classifier::Priority);
    let tiers: Result<Vec<Tier>, _> = TIERS
        .iter()
        .map(|(name, weight)| Tier::new(name, *weight))
        .collect();
    let mut host = Host::new(Some(uplink), tiers?, Capabilities::default())?;
    for i in 0..containers {
        host.insert(container(i)?)?;
    }
    Ok(host)
}

/// A kernel on which the host's plan was carried out.
fn settled(host: &Host) -> KernelModel {
    let mut kernel = KernelModel::new();
    for name in host.device_names() {
        kernel.put_device(name, Device::new());
    }
    let plan = diff(kernel.state(), host);
    kernel.apply_all(&plan).expect("the model takes our plans");
    kernel
}

fn plans(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan");
    let nothing = KernelModel::new();
    group.bench_function("everything", |b| {
        b.iter(|| {
            let host = host(CONTAINERS).expect("the uplink has room");
            black_box(diff(nothing.state(), &host))
        });
    });
    let mut host = host(CONTAINERS).expect("the uplink has room");
    let mut kernel = settled(&host);
    group.bench_function("nothing-to-do", |b| {
        b.iter(|| assert!(diff(kernel.state(), &host).is_empty()));
    });
    let slots: Vec<_> = host.containers().map(|(slot, _)| slot).collect();
    let _ = diff_touched(kernel.state(), &mut host);
    let mut i = 0;
    group.bench_function("one-change", |b| {
        b.iter(|| {
            i += 1;
            let rate = Rate::mbit(60 + i as u64 % 7);
            host.allocate(slots[i * 47 % slots.len()], Direction::Egress, Some(rate));
            black_box(diff_touched(kernel.state(), &mut host))
        });
    });
    let mut next = CONTAINERS;
    group.bench_function("one-comes-one-goes", |b| {
        b.iter(|| {
            host.remove(&format!("container-{}", next - CONTAINERS));
            host.insert(container(next).expect("names fit"))
                .expect("there is room");
            next += 1;
            let plan = diff_touched(kernel.state(), &mut host);
            kernel.put_device(
                netshape::DevName::host(&format!("veth{}", next - 1)),
                Device::new(),
            );
            black_box(plan)
        });
    });
    group.finish();
}

/// Requests for the classes of one device.
fn requests() -> Result<Vec<TcMessage<'static>>, Failure> {
    let devices = [("d0".to_owned(), 3)].into_iter().collect();
    let request = |i: usize| {
        let (minor, rate) = (i + 256, 1 + i % 90);
        let line = format!(
            "class add dev d0 parent 1:1 classid 1:{minor:x} htb rate {rate}mbit ceil 1gbit"
        );
        let message = parse_line(&line, TickRounding::Ceil, &devices)?;
        message.ok_or_else(|| "an empty line".into())
    };
    (0..CONTAINERS).map(request).collect()
}

fn netlink(c: &mut Criterion) {
    let requests = requests().expect("our own lines");
    let mut bytes = Vec::new();
    c.bench_function("encode/1000-classes", |b| {
        b.iter(|| {
            bytes.clear();
            for request in &requests {
                request.encode(&mut bytes).expect("short messages");
            }
            bytes.len()
        });
    });
    // A request and the kernel's own dump of a class are laid out alike.
    c.bench_function("decode/1000-classes", |b| {
        b.iter(|| {
            let mut devices = BTreeMap::new();
            load(&bytes, &mut devices).expect("our own bytes");
            devices
        });
    });
}

fn elastic(c: &mut Criterion) {
    // Demands that do not fit: every claim is looked at, none has all that it wants.
    let claim = |i: usize| {
        let floor = (i as u64 * 7_919) % 5_000_000;
        let cap = floor + (i as u64 * 104_729) % 300_000_000;
        Claim {
            floor,
            cap,
            weight: 1 + i as u32 % 7,
        }
    };
    let claims: Vec<Claim> = (0..CONTAINERS).map(claim).collect();
    let (mut scratch, mut shares) = (Scratch::new(), Vec::new());
    c.bench_function("elastic/divide", |b| {
        b.iter(|| {
            divide(
                40_000_000_000,
                &claims,
                |i| i as u64,
                &mut scratch,
                &mut shares,
            );
            shares.first().copied()
        });
    });
}

criterion_group! { name = main_paths; config = quick(); targets = plans, netlink, elastic }
criterion_main!(main_paths);
