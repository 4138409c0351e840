//! A recorded day: hosts that are protected must be overloaded for much less time, with few moves and never
//! a broken constraint. Five-minute samples are joined by straight lines, with seeded noise each second.

use scheduler_core::live::{Event, ProtectorConfig, Sample};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::rng::stream;
use scheduler_core::search::{ByCount, Placer as _};
use scheduler_core::testing::Uniform as _;
use scheduler_core::{Cluster, Model, ModelBuilder, NodeId, Protector, TaskId, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use test_support::Need;

const DAY: Need = Need::Data("planetlab/20110303");

/// Cores of a host, in millicores.
const HOST: u64 = 8000;
/// A move takes so many seconds, and the new copy costs up to three times its use at first.
const MOVE_SECONDS: u64 = 75;

struct Trace {
    services: Vec<usize>,
    /// Percent of one core, each 300 s.
    load: Vec<Vec<f32>>,
}

fn read(dir: &Path) -> Trace {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut numbers = BTreeMap::new();
    let mut trace = Trace {
        services: Vec::new(),
        load: Vec::new(),
    };
    for name in names {
        let parts: Vec<&str> = name.trim().rsplitn(3, '_').collect();
        let slice = match parts.as_slice() {
            ["root", ..] => "root".to_owned(),
            [b, a, ..] => format!("{a}_{b}"),
            _ => name.clone(),
        };
        let next = numbers.len();
        trace.services.push(*numbers.entry(slice).or_insert(next));
        let text = std::fs::read_to_string(dir.join(&name)).unwrap();
        trace.load.push(
            text.split_whitespace()
                .map(|v| v.parse().unwrap())
                .collect(),
        );
    }
    trace
}

fn model(trace: &Trace, hosts: usize) -> Model {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let slots = Resource {
        transient: true,
        load_weight: 0,
    };
    let mut b = ModelBuilder::new(&[cpu, slots]).unwrap();
    for host in 0..hosts as u64 {
        let (capacity, safety) = ([HOST, 110], [HOST * 8 / 10, 110]);
        b.node(Node {
            location: host % 2,
            neighbourhood: 0,
            capacity: &capacity,
            safety: &safety,
        })
        .unwrap();
    }
    let services = trace.services.iter().max().unwrap() + 1;
    let mut ids = Vec::new();
    for s in 0..services {
        let size = trace.services.iter().filter(|x| **x == s).count();
        let (spread, per_node) = (size.min(2) as u32, size.div_ceil(hosts) as u32);
        ids.push(b.service(Service { spread, per_node }).unwrap());
    }
    for s in &trace.services {
        b.task(Task {
            service: ids[*s],
            need: &[0, 1],
            move_cost: 1,
        })
        .unwrap();
    }
    b.build().unwrap()
}

/// What one run gave.
#[derive(Debug, PartialEq)]
struct Outcome {
    overloaded: u64,
    host_seconds: u64,
    moves: usize,
    most_moves: u32,
}

/// The load of a second, on the line between two samples.
fn between(load: &[f32], second: u64) -> f32 {
    let (slot, part) = ((second / 300) as usize, (second % 300) as f32 / 300.0);
    let sample = |slot: usize| load[slot.min(load.len() - 1)];
    let (a, b) = (sample(slot), sample(slot + 1));
    a + (b - a) * part
}

fn run(trace: &Trace, protect: bool, config: ProtectorConfig, seconds: u64, seed: u64) -> Outcome {
    let tasks = trace.load.len();
    let mean = |v: &Vec<f32>| f64::from(v.iter().sum::<f32>()) / v.len() as f64;
    let total: f64 = trace.load.iter().map(mean).sum::<f64>() * 10.0;
    let hosts = (total / (HOST as f64 * 0.6)).ceil() as usize;
    let model = model(trace, hosts);
    let first = ByCount.place(&model).unwrap();
    let mut p = Protector::new(Cluster::new(model, &first).unwrap(), 0, config).unwrap();
    let mut noise = stream(seed, "noise");
    let mut out = Outcome {
        overloaded: 0,
        host_seconds: 0,
        moves: 0,
        most_moves: 0,
    };
    let mut moved = vec![0_u32; tasks];
    let (mut events, mut in_flight) = (Vec::<Event>::new(), Vec::<(u64, TaskId)>::new());
    let (mut use_of, mut on_host) = (vec![0 as Sample; tasks], vec![0 as Sample; hosts]);
    let mut at: Vec<usize> = first.iter().map(|n| n.index()).collect();
    for second in 0..seconds {
        let now = Timestamp::from_secs(second + 1);
        on_host.fill(0);
        for (task, load) in trace.load.iter().enumerate() {
            let wobble = 0.9 + 0.2 * noise.unit() as f32;
            let value = (between(load, second) * 10.0 * wobble) as Sample;
            use_of[task] = value;
            on_host[at[task]] += value;
        }
        for (started, task) in &in_flight {
            // A new copy takes over by and by, and works at up to three times the cost.
            let share = (second - started) as f32 / MOVE_SECONDS as f32;
            let extra = use_of[task.index()] as f32 * share * 2.0 * (1.0 - share);
            on_host[p.cluster().moving_to(*task).unwrap().index()] += extra as Sample;
        }
        p.observe(now, &on_host, &use_of, &mut events).unwrap();
        events.clear();
        let hot = |h: &u32| {
            p.detector()
                .mean(NodeId(*h))
                .is_some_and(|m| u64::from(m) > HOST * 8 / 10)
        };
        out.overloaded += (0..hosts as u32).filter(hot).count() as u64;
        out.host_seconds += hosts as u64;
        if !protect {
            continue;
        }
        while in_flight
            .first()
            .is_some_and(|(started, _)| second - started >= MOVE_SECONDS)
        {
            let (_, task) = in_flight.remove(0);
            at[task.index()] = p.finish_move(now, task).unwrap().to.index();
        }
        let plan = p.plan(now);
        for m in &plan.moves {
            p.begin_move(now, m.task, m.to).unwrap();
            assert!(p.cluster().violations().is_empty());
            in_flight.push((second, m.task));
            moved[m.task.index()] += 1;
            out.moves += 1;
        }
    }
    p.cluster().check_invariants().unwrap();
    out.most_moves = moved.into_iter().max().unwrap_or(0);
    out
}

fn a_protected_day_is_overloaded_for_less_than_half_the_time() {
    let dir = DAY.path();
    let trace = read(&dir);
    let seconds = if cfg!(debug_assertions) {
        6 * 3600
    } else {
        86_400
    };
    let without = run(&trace, false, ProtectorConfig::default(), seconds, 1);
    let with = run(&trace, true, ProtectorConfig::default(), seconds, 1);
    println!("without {without:?}\nwith {with:?}");
    assert!(
        with.overloaded * 2 < without.overloaded,
        "without {without:?}, with {with:?}"
    );
    assert!(with.most_moves <= 2);
}

test_support::tests! {
    a_protected_day_is_overloaded_for_less_than_half_the_time [DAY],
}
