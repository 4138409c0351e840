//! How containers with more to send than there is share an uplink: by weights, by guarantees, ten of them.

use super::super::kernel::{Outcome, block_on, carry_out, observed, planned};
use super::stand::{each, has_iperf, inside, iperf};
use crate::{Figure, Limit, Measured};
use netshape::netlink::ObjectKind;
use netshape::object::Handle;
use netshape::policy::leaf_limit;
use netshape::{Capabilities, Container, Direction, Host, Netns, Rate, Shape, Uplink};
use netshape_netlink::NetlinkKernel;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use test_support::netns::{Lab, possible};

/// How long bytes are counted: 100 rounds of the slowest case at the least (ten classes of 55 GSO packets in all at 100 Mbit/s).
const SECONDS: u64 = 30;
/// Until TCP's flows are at their share.
const WARM_UP: u64 = 4;
/// What the host keeps for itself: so little that it does not show.
const RESERVE: Rate = Rate::kbit(8);

pub(super) fn figures(base: Figure) -> Vec<Figure> {
    let base = Figure {
        must: Limit::AtMost(0.05),
        aim: Limit::AtMost(0.02),
        ..base
    };
    vec![
        Figure {
            id: "netshape/kernel/uplink-weights",
            what: "greatest deviation of a container's share of the uplink from its weight's, 4:1, at 10, 100 and 1,000 Mbit/s, of eight TCP flows each and of backlogged UDP, 30 s and 100 rounds",
            run: || worst(&[10, 100, 1_000], &[Load::Tcp, Load::Udp], weights),
            ..base
        },
        Figure {
            id: "netshape/kernel/uplink-guarantees",
            what: "the same from guarantees of 60 and 15 % of the uplink, the rest divided equally",
            run: || worst(&[10, 100, 1_000], &[Load::Tcp, Load::Udp], guarantees),
            ..base
        },
        Figure {
            id: "netshape/kernel/uplink-ten",
            what: "the same of ten containers with weights 1 to 10, UDP, 100 and 1,000 Mbit/s",
            run: || worst(&[100, 1_000], &[Load::Udp], ten),
            ..base
        },
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    /// Eight flows.
    Tcp,
    Udp,
}

/// A container that competes.
#[derive(Clone, Copy, Debug)]
struct Member {
    weight: u32,
    /// Per cent of the uplink.
    guarantee: u64,
}

fn weights() -> Vec<Member> {
    [4, 1]
        .map(|weight| Member {
            weight,
            guarantee: 0,
        })
        .to_vec()
}

fn guarantees() -> Vec<Member> {
    [60, 15]
        .map(|guarantee| Member {
            weight: 1,
            guarantee,
        })
        .to_vec()
}

fn ten() -> Vec<Member> {
    (1..=10)
        .map(|weight| Member {
            weight,
            guarantee: 0,
        })
        .collect()
}

fn worst(mbit: &[u64], loads: &[Load], members: fn() -> Vec<Member>) -> Outcome<Measured> {
    has_iperf()?;
    possible()?;
    let (slow, fast): (Vec<u64>, Vec<u64>) = mbit.iter().partition(|m| **m <= 100);
    let cases = |rates: &[u64]| -> Vec<(u64, Load)> {
        rates
            .iter()
            .flat_map(|m| loads.iter().map(|l| (*m, *l)))
            .collect()
    };
    let mut worst = 0.0_f64;
    for (cases, at_once) in [(cases(&slow), true), (cases(&fast), false)] {
        let members = members();
        let deviations = each(&cases, at_once, |(mbit, load)| {
            deviation(*mbit, *load, &members)
        })?;
        eprintln!("  {cases:?}: {deviations:.4?}");
        worst = deviations.into_iter().fold(worst, f64::max);
    }
    Ok(Measured::alone(worst))
}

fn address(i: usize) -> String {
    format!("10.77.0.{}", i + 1)
}

/// An uplink between two namespaces, and the addresses of containers at its near end.
fn lab(members: usize) -> Lab {
    let lab = Lab::new("bench", &["host", "peer"]);
    lab.link([
        ("host", "up0", "10.99.0.2/24"),
        ("peer", "up1", "10.99.0.1/24"),
    ]);
    for i in 0..members {
        lab.ip("host", &format!("addr add {}/32 dev lo", address(i)));
    }
    lab.ip("peer", "route add 10.77.0.0/24 via 10.99.0.2");
    // Datagrams to nobody: what the other end makes of them would cost more than sending them.
    lab.ip(
        "host",
        "neigh add 10.99.0.9 lladdr 02:00:00:00:00:99 dev up0 nud permanent",
    );
    lab
}

fn policy(capacity: Rate, members: &[Member]) -> Outcome<Host> {
    let text = |e: netshape::Refusal| e.to_string();
    let uplink = Uplink::new("up0", capacity, RESERVE).map_err(text)?;
    let mut host = Host::new(Some(uplink), Vec::new(), Capabilities::default()).map_err(text)?;
    for (i, member) in members.iter().enumerate() {
        let guarantee = Rate::from_bits(capacity.bits() / 100 * member.guarantee);
        let shape = Shape::new(guarantee, capacity).map_err(|e| e.to_string())?;
        let container = Container::without_veth(&format!("c{i}")).map_err(text)?;
        let container = container
            .with_weight(member.weight)
            .with_shape(Direction::Egress, shape);
        let address = address(i).parse().map_err(|_| "an address".to_owned())?;
        host.insert(container.with_addresses([address]).map_err(text)?)
            .map_err(text)?;
    }
    Ok(host)
}

/// The greatest deviation of a member's share from the one that it should have.
fn deviation(mbit: u64, load: Load, members: &[Member]) -> Outcome<f64> {
    let capacity = Rate::mbit(mbit);
    let lab = lab(members.len());
    let host = policy(capacity, members)?;
    inside(&lab, "host", || {
        let seen = observed()?;
        carry_out(&planned(&seen, &host), &seen)
    })?;
    let classes: Outcome<Vec<Handle>> = (0..members.len())
        .map(|i| {
            let slot = host.slot(&format!("c{i}")).ok_or("not there")?;
            host.class_of(slot).ok_or_else(|| "no class".to_owned())
        })
        .collect();
    // A packet of 1,442 bytes counts as 2,304 in its socket, and the kernel doubles what it is told.
    let room = leaf_limit(capacity, 2 * 65_536) as usize * 3 / 4;
    let sent = loaded(&lab, load, room, &classes?)?;
    let all: u64 = sent.iter().sum();
    let (weights, promised) = members
        .iter()
        .fold((0, 0), |(w, p), m| (w + m.weight, p + m.guarantee));
    let spare = (100 - promised) as f64 / 100.0;
    let deviations = members.iter().zip(&sent).map(|(member, sent)| {
        let due =
            member.guarantee as f64 / 100.0 + spare * f64::from(member.weight) / f64::from(weights);
        (*sent as f64 / all as f64 / due - 1.0).abs()
    });
    // All of the uplink is used, or nobody competed.
    let used = all as f64 / SECONDS as f64 / capacity.bytes_per_second() as f64;
    match (0.95..1.05).contains(&used) {
        true => Ok(deviations.fold(0.0, f64::max)),
        false => Err(format!(
            "{mbit} Mbit/s {load:?}: {used:.3} of the uplink was used"
        )),
    }
}

/// Bytes that each class sent while all had more to send.
fn loaded(lab: &Lab, load: Load, room: usize, classes: &[Handle]) -> Outcome<Vec<u64>> {
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let end = &end;
        let senders: Vec<_> = (0..classes.len())
            .map(|i| {
                scope.spawn(move || match load {
                    Load::Tcp => flows(lab, i),
                    Load::Udp => inside(lab, "host", || datagrams(i, room, end)),
                })
            })
            .collect();
        let counted = inside(lab, "host", || {
            std::thread::sleep(Duration::from_secs(WARM_UP));
            let before = counters(classes)?;
            let (start, mut looks, mut empty) = (Instant::now(), 0, 0);
            while start.elapsed() < Duration::from_secs(SECONDS) {
                std::thread::sleep(Duration::from_millis(100));
                looks += 1;
                empty += u32::from(counters(classes)?.iter().any(|c| c.waiting == 0));
            }
            // Who has nothing waiting does not compete; TCP's flows wait for their turn elsewhere at times.
            if load == Load::Udp && empty * 50 > looks {
                return Err(format!(
                    "in {empty} of {looks} looks a class had nothing to send: this machine is too busy"
                ));
            }
            let after = counters(classes)?;
            Ok(after
                .iter()
                .zip(before)
                .map(|(a, b)| a.sent.saturating_sub(b.sent))
                .collect())
        });
        end.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().map_err(|_| "it panicked".to_owned())??;
        }
        counted
    })
}

fn flows(lab: &Lab, i: usize) -> Outcome<()> {
    let seconds = (WARM_UP + SECONDS + 3).to_string();
    let from = address(i);
    let port = 5_201_u16.saturating_add(u16::try_from(i).unwrap_or(0));
    let words = ["-B", &from, "-P", "8", "-t", &seconds];
    iperf(lab, ["host", "peer"], "10.99.0.1", port, &words).map(drop)
}

/// Sends as fast as it may: its socket holds a little less than the class's queue does, so that the class always has something to send and
/// the sender waits instead of running on against a full queue.
fn datagrams(i: usize, room: usize, end: &AtomicBool) -> Outcome<()> {
    let socket = UdpSocket::bind((&*address(i), 0)).map_err(|e| e.to_string())?;
    socket.connect("10.99.0.9:9").map_err(|e| e.to_string())?;
    setsockopt(&socket, sockopt::SndBufForce, &room).map_err(|e| e.to_string())?;
    while !end.load(Ordering::Relaxed) {
        // A full queue is what is wanted; there is nothing to send again.
        if socket.send(&[0; 1_400]).is_err() {
            std::thread::yield_now();
        }
    }
    Ok(())
}

/// Bytes that a class's queue has sent, and that wait in it.
struct Queue {
    sent: u64,
    waiting: u32,
}

fn counters(classes: &[Handle]) -> Outcome<Vec<Queue>> {
    let read = block_on(async {
        let kernel = NetlinkKernel::new();
        let links = kernel.dump(&[Netns::Host]).await?;
        let number = links
            .iter()
            .flat_map(|d| &d.links)
            .find(|l| l.name == "up0")
            .map(|l| l.ifindex);
        Ok::<_, netshape_netlink::Error>((number, kernel.qdisc_counters(&Netns::Host).await?))
    })?;
    let (number, counters) = read.map_err(|e| e.to_string())?;
    let number = number.ok_or("no uplink")?;
    let sent = |class: &Handle| {
        let stats = counters.get(number, ObjectKind::Qdisc, Handle::qdisc(class.minor()));
        stats
            .map(|s| Queue {
                sent: s.sent_bytes,
                waiting: s.backlog_bytes,
            })
            .ok_or_else(|| format!("{class} has no queue"))
    };
    classes.iter().map(sent).collect()
}
