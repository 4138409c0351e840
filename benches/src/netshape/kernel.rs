//! Figures on the kernel that runs this, in a network namespace of the measuring thread's own: they take root.

use crate::measure::{children_cpu_seconds, median};
use crate::{Figure, Judge, Limit, Measured};
use netshape::kernel::{Kernel as _, apply_or_undo};
use netshape::plan::{Plan, diff, diff_touched};
use netshape::{
    Capabilities, Container, Direction, Host, Netns, ObservedState, Rate, Shape, Uplink,
};
use netshape_netlink::NetlinkKernel;
use nix::sched::{CloneFlags, unshare};
use std::future::Future;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(super) type Outcome<T> = Result<T, String>;

/// The figures.
pub(super) fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "",
        what: "",
        unit: "ms",
        judge: Judge::Ratio,
        must: Limit::AtMost(1.1),
        aim: Limit::AtMost(0.7),
        long: false,
        run: || Err("no measurement".into()),
    };
    vec![
        Figure {
            id: "netshape/kernel/change-1k",
            what: "1,000 class changes through our socket (peer: one `tc -batch` of the same, process included), median of 7",
            run: || in_namespace(change_beside_tc),
            ..base
        },
        Figure {
            id: "netshape/kernel/apply-10k",
            what: "apply an uplink of 10,000 containers with addresses from nothing (peer: one `tc -batch` of the same), median of 7",
            aim: Limit::AtMost(1.0),
            long: true,
            run: || in_namespace(apply_beside_tc),
            ..base
        },
        Figure {
            id: "netshape/kernel/uplink-one",
            what: "packets a second through the uplink's tree of 10,000 containers, all from one address, the worse of the first and the last (peer: of 10), best of 7",
            unit: "packets/s",
            must: Limit::AtLeast(0.9),
            aim: Limit::AtLeast(0.97),
            run: || in_namespace(|| uplink(false)),
            ..base
        },
        Figure {
            id: "netshape/kernel/uplink-random",
            what: "the same from addresses drawn at random, a new one each packet",
            unit: "packets/s",
            must: Limit::AtLeast(0.6),
            aim: Limit::AtLeast(0.75),
            run: || in_namespace(|| uplink(true)),
            ..base
        },
        Figure {
            id: "netshape/kernel/watch-1k",
            what: "`berth shape watch` with 1,000 containers, share of one core over 10 s",
            unit: "share",
            judge: Judge::Ours,
            must: Limit::AtMost(0.10),
            aim: Limit::AtMost(0.03),
            run: || in_namespace(watching),
            ..base
        },
    ]
}

/// Runs on a thread in a namespace that goes with it.
fn in_namespace(work: impl FnOnce() -> Outcome<Measured> + Send) -> Outcome<Measured> {
    let enter = || {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|e| format!("a network namespace: {e}: it takes root"))?;
        ip("link set lo up")?;
        ip("link add up0 type veth peer name up1")?;
        ip("link set up0 address 02:00:00:00:00:01 up")?;
        ip("link set up1 up")?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter).join()).map_err(|_| "it panicked".to_owned())?
}

pub(super) fn run(program: &str, words: &str) -> Outcome<()> {
    let output = Command::new(program)
        .args(words.split_whitespace())
        .output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{program} {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn ip(words: &str) -> Outcome<()> {
    run("ip", words)
}

pub(super) fn block_on<F: Future>(future: F) -> Outcome<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    Ok(runtime.map_err(|e| e.to_string())?.block_on(future))
}

pub(super) fn observed() -> Outcome<ObservedState> {
    block_on(NetlinkKernel::new().observe(&[Netns::Host]))?.map_err(|e| e.to_string())
}

/// The address of a container: two bytes that count.
fn address(i: usize) -> Ipv4Addr {
    let [.., a, b] = i.to_be_bytes();
    Ipv4Addr::new(10, 77, a, b)
}

/// An uplink that so many containers send by, each with an address; they have no device of their own here.
fn host(containers: usize) -> Outcome<Host> {
    let text = |e: netshape::Refusal| e.to_string();
    let uplink = Uplink::new("up0", Rate::gbit(400), Rate::gbit(1)).map_err(text)?;
    let mut host = Host::new(Some(uplink), Vec::new(), Capabilities::default()).map_err(text)?;
    let shape = Shape::new(Rate::mbit(1), Rate::gbit(400)).map_err(|e| e.to_string())?;
    for i in 0..containers {
        let container = Container::without_veth(&format!("c{i}")).map_err(text)?;
        let container = container.with_shape(Direction::Egress, shape);
        let container = container
            .with_addresses([address(i).into()])
            .map_err(text)?;
        host.insert(container).map_err(text)?;
    }
    Ok(host)
}

/// What of the plan is for the uplink.
pub(super) fn planned(observed: &ObservedState, host: &Host) -> Plan {
    diff(observed, host).in_netns(&Netns::Host)
}

pub(super) fn carry_out(plan: &Plan, observed: &ObservedState) -> Outcome<f64> {
    let start = Instant::now();
    let done = block_on(apply_or_undo(&mut NetlinkKernel::new(), plan, observed))?;
    let spent = start.elapsed().as_secs_f64() * 1e3;
    match done.failure {
        None if done.done == plan.len() => Ok(spent),
        failure => Err(format!(
            "{} of {} steps: {failure:?}",
            done.done,
            plan.len()
        )),
    }
}

/// The same by `tc -batch`.
fn by_tc(plan: &Plan) -> Outcome<f64> {
    let path = std::env::temp_dir().join(format!("berth-scorecard-{}.tc", std::process::id()));
    let text = plan.batch().map_err(|e| e.to_string())?;
    std::fs::write(&path, text).map_err(|e| e.to_string())?;
    let start = Instant::now();
    let done = run("tc", &format!("-batch {}", path.display()));
    let spent = start.elapsed().as_secs_f64() * 1e3;
    let _ = std::fs::remove_file(&path);
    done.map(|()| spent)
}

fn change_beside_tc() -> Outcome<Measured> {
    let mut host = host(1_000)?;
    let seen = observed()?;
    carry_out(&planned(&seen, &host), &seen)?;
    let slots: Vec<_> = host.containers().map(|(slot, _)| slot).collect();
    let _ = diff_touched(&observed()?, &mut host);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..14_u64 {
        for slot in &slots {
            host.allocate(*slot, Direction::Egress, Some(Rate::mbit(100 + round)));
        }
        let seen = observed()?;
        let plan = diff_touched(&seen, &mut host);
        if plan.len() != slots.len() {
            return Err(format!("{} changes", plan.len()));
        }
        match round % 2 {
            0 => ours.push(carry_out(&plan, &seen)?),
            _ => theirs.push(by_tc(&plan)?),
        }
    }
    Ok(Measured::beside(median(ours), median(theirs)))
}

fn apply_beside_tc() -> Outcome<Measured> {
    let host = host(10_000)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..14 {
        let seen = observed()?;
        let plan = planned(&seen, &host);
        match round % 2 {
            0 => ours.push(carry_out(&plan, &seen)?),
            _ => theirs.push(by_tc(&plan)?),
        }
        if !planned(&observed()?, &host).is_empty() {
            return Err("not as planned".into());
        }
        run("tc", "qdisc del dev up0 root")?;
    }
    Ok(Measured::beside(median(ours), median(theirs)))
}

/// Packets of each measurement.
const PACKETS: usize = 100_000;
/// Sockets that packets are sent by at random: as many as one process may have open by default, less a few.
const SOCKETS: usize = 900;

/// Packets a second, sent by these sockets in turn.
fn rate(sockets: &[UdpSocket]) -> Outcome<f64> {
    let start = Instant::now();
    for socket in sockets.iter().cycle().take(PACKETS) {
        // A full queue of the other end is no matter here.
        let _ = socket.send(&[0; 18]);
    }
    Ok(PACKETS as f64 / start.elapsed().as_secs_f64())
}

fn sockets(of: impl Iterator<Item = usize>) -> Outcome<Vec<UdpSocket>> {
    let open = |i| {
        let socket =
            UdpSocket::bind((address(i), 0)).map_err(|e| format!("{}: {e}", address(i)))?;
        socket.connect("10.99.0.1:9").map_err(|e| e.to_string())?;
        Ok(socket)
    };
    of.map(open).collect()
}

fn uplink(random: bool) -> Outcome<Measured> {
    for words in [
        "addr add 10.99.0.2/24 dev up0",
        "neigh add 10.99.0.1 lladdr 02:00:00:00:00:99 dev up0 nud permanent",
        "route add local 10.77.0.0/16 dev lo",
    ] {
        ip(words)?;
    }
    let mut best = Vec::new();
    for containers in [10, 10_000] {
        let host = host(containers)?;
        let seen = observed()?;
        carry_out(&planned(&seen, &host), &seen)?;
        let draw = |i: usize| i.wrapping_mul(7_919) % containers;
        let sets = match random {
            true => vec![sockets((0..SOCKETS).map(draw))?],
            false => vec![
                sockets(std::iter::once(0))?,
                sockets(std::iter::once(containers - 1))?,
            ],
        };
        let mut worst = f64::INFINITY;
        for set in &sets {
            let rounds: Outcome<Vec<f64>> = (0..7).map(|_| rate(set)).collect();
            worst = worst.min(rounds?.into_iter().fold(0.0, f64::max));
        }
        best.push(worst);
        run("tc", "qdisc del dev up0 root")?;
    }
    match best.as_slice() {
        [few, many] => Ok(Measured::beside(*many, *few)),
        _ => Err("no measurement".into()),
    }
}

fn watching() -> Outcome<Measured> {
    const CONTAINERS: usize = 1_000;
    const SECONDS: u64 = 10;
    let path = std::env::temp_dir().join(format!("berth-scorecard-{}.json", std::process::id()));
    let section = |i: usize| {
        serde_json::json!({"id": format!("c{i}"), "veth": format!("v{i}"), "addresses": [address(i).to_string()],
            "ingress": {"ceiling": "100mbit"}, "egress": {"guarantee": "1mbit", "ceiling": "100mbit"}})
    };
    let sections: Vec<_> = (0..CONTAINERS).map(section).collect();
    let policy = serde_json::json!({"host": {"uplink": {"dev": "up0", "capacity": "10gbit"}}, "container": sections});
    std::fs::write(&path, policy.to_string()).map_err(|e| e.to_string())?;
    let links: String = (0..CONTAINERS)
        .map(|i| format!("link add v{i} type veth peer name p{i}\n"))
        .collect();
    let batch = path.with_extension("ip");
    std::fs::write(&batch, links).map_err(|e| e.to_string())?;
    let made = ip(&format!("-batch {}", batch.display()));
    let _ = std::fs::remove_file(&batch);
    made?;
    let binary = crate::replay::binary()?;
    let watch = |intervals: u64| {
        let before = children_cpu_seconds()?;
        let mut command = Command::new(binary);
        command.args([
            "shape",
            "watch",
            "--json",
            "--intervals",
            &intervals.to_string(),
            "--desired",
        ]);
        let status = command
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let status = status.map_err(|e| e.to_string())?;
        match status.success() {
            true => Ok(children_cpu_seconds()? - before),
            false => Err(format!("watch: {status}")),
        }
    };
    // What beginning costs, reading the whole kernel and carrying out, is no part of watching: the second of two that begin alike.
    let measured = watch(0).and_then(|_: f64| Ok(watch(SECONDS)? - watch(0)?));
    let _ = std::fs::remove_file(&path);
    let length = Duration::from_secs(SECONDS).as_secs_f64();
    Ok(Measured::alone(measured? / length))
}
