//! Placement: costs on the challenge's instances against the best solvers measured on them (one thread, 60
//! CPU seconds; see the anchors), and how fast the engine answers.

use crate::measure::{median, ns_per_call, peak_rss_bytes, thread_cpu_ns};
use crate::{Figure, Judge, Limit, Measured};
use rand::RngExt as _;
use scheduler_core::order::{OrderLimits, order_moves};
use scheduler_core::rng::stream;
use scheduler_core::search::{Evaluations, Improver as _, lower_bound, relieve};
use scheduler_core::{Model, NodeId, Placement, Solver, TaskId, roadef};

mod cluster;

use cluster::{synthetic, synthetic_far};

type Outcome = Result<Measured, String>;

fn instance(name: &str) -> Result<(Model, Vec<NodeId>), String> {
    let part = |kind: &str| -> Result<Vec<u8>, String> {
        let path =
            test_support::data(&format!("data/roadef2012/{name}.{kind}.txt")).ok_or("no data")?;
        std::fs::read(path).map_err(|e| e.to_string())
    };
    let model = roadef::read_model(&part("model")?).map_err(|e| e.to_string())?;
    let at = roadef::read_assignment(&model, &part("assignment")?).map_err(|e| e.to_string())?;
    Ok((model, at))
}

/// CPU seconds of this thread.
fn seconds() -> f64 {
    thread_cpu_ns().unwrap_or(0) as f64 / 1e9
}

/// Cost after so many CPU seconds of one thread, reading included; feasibility checked from scratch.
fn solved(name: &str, limit: f64, seed: u64) -> Result<i64, String> {
    let start = seconds();
    let (model, at) = instance(name)?;
    let mut budget = |_| (seconds() - start) / limit;
    let found = Solver { seed }
        .improve(&model, &at, &mut budget, &mut |_, _| {})
        .map_err(|e| e.to_string())?;
    let p = Placement::moved(&model, &at, &found.assignment).map_err(|e| e.to_string())?;
    if !p.violations(&model).is_empty() {
        return Err("infeasible".to_owned());
    }
    Ok(p.cost_by_part(&model).total())
}

/// The median of three seeds.
fn cost(name: &str, limit: f64) -> Outcome {
    let costs: Result<Vec<f64>, String> = (1..=3)
        .map(|seed| solved(name, limit, seed).map(|c| c as f64))
        .collect();
    Ok(Measured::alone(median(costs?)))
}

/// The better of two threads of 300 s each: threads share nothing, so they are run one after the other.
fn long_cost(name: &str) -> Outcome {
    let best = solved(name, 300.0, 1)?.min(solved(name, 300.0, 2)?);
    Ok(Measured::alone(best as f64))
}

/// Two rows for each instance: 60 s against the must, 300 s with two threads against the aim.
macro_rules! costs {
    ($($name:literal, $must:expr, $aim:expr;)*) => {
        vec![$(
            Figure {
                id: concat!("place/cost-60s-", $name),
                what: "cost after 60 CPU s, one thread, median of 3 seeds",
                unit: "cost", judge: Judge::Ours, must: Limit::AtMost($must), aim: Limit::AtMost($aim),
                long: true, run: || cost($name, 60.0),
            },
            Figure {
                id: concat!("place/cost-300s-", $name),
                what: "cost after 300 CPU s each of two threads",
                unit: "cost", judge: Judge::Ours, must: Limit::AtMost($aim), aim: Limit::AtMost($aim),
                long: true, run: || long_cost($name),
            },
        )*]
    };
}

/// This area's rows.
#[must_use]
pub fn figures() -> Vec<Figure> {
    let mut figures = [speed(), size()].concat();
    figures.extend(costs! {
        "a1_1", 44_306_501.0 * 1.001, 44_306_501.0;
        "a1_2", 777_912_030.0 * 1.001, 777_912_030.0;
        "a1_3", 583_006_422.0 * 1.001, 583_006_422.0;
        "a1_4", 262_125_116.0 * 1.001, 262_125_116.0;
        "a1_5", 727_578_310.0 * 1.001, 727_578_310.0;
        "a2_1", 329.0, 202.0;
        "a2_2", 762_962_585.0, 740_000_000.0;
        "a2_3", 1_219_337_750.0, 1_200_000_000.0;
        "a2_4", 1_682_962_798.0, 1_680_615_349.0;
        "a2_5", 325_657_187.0, 315_000_000.0;
        "b_1", 3_345_134_837.0, 3_330_000_000.0;
        "b_2", 1_017_353_285.0, 1_015_553_800.0;
        "b_3", 158_435_371.0, 156_835_787.0;
        "b_4", 4_677_854_047.0, 4_677_823_040.0;
        "b_5", 924_392_538.0, 923_092_380.0;
    });
    figures
}

/// A row on its own, quick enough for every run.
fn row(
    id: &'static str,
    what: &'static str,
    unit: &'static str,
    must: Limit,
    aim: Limit,
    run: fn() -> Outcome,
) -> Figure {
    Figure {
        id,
        what,
        unit,
        judge: Judge::Ours,
        must,
        aim,
        long: false,
        run,
    }
}

fn speed() -> Vec<Figure> {
    let (most, least) = (Limit::AtMost, Limit::AtLeast);
    vec![
        row(
            "place/half-gap",
            "b_5: half of the load cost's gap to its bound closed, CPU",
            "s",
            most(2.0),
            most(0.5),
            half_gap,
        ),
        row(
            "place/shifts-12",
            "shift evaluations (cost and every constraint), 12 resources (b_1), one thread",
            "million/s",
            least(5.0),
            least(10.0),
            || shifts("b_1"),
        ),
        row(
            "place/shifts-3",
            "shift evaluations (cost and every constraint), 3 resources (a1_3), one thread",
            "million/s",
            least(12.0),
            least(25.0),
            || shifts("a1_3"),
        ),
        row(
            "place/urgent",
            "urgent answer, 3 moves, 50,000 tasks x 5,000 nodes",
            "ms",
            most(20.0),
            most(5.0),
            urgent,
        ),
        row(
            "place/order-b_1",
            "order of moves of a 5 s answer for b_1, CPU; none given up",
            "s",
            most(5.0),
            most(1.0),
            || order("b_1"),
        ),
        row(
            "place/order-b_5",
            "order of moves of a 5 s answer for b_5, CPU; none given up",
            "s",
            most(5.0),
            most(1.0),
            || order("b_5"),
        ),
    ]
}

/// What a thousand times the tasks cost.
fn size() -> Vec<Figure> {
    let most = Limit::AtMost;
    vec![
        row(
            "place/growth",
            "time of the cost of a random shift, 1,000,000 tasks x 10,000 nodes over 1,000 x 10",
            "ratio",
            most(10.0),
            most(4.0),
            growth,
        ),
        row(
            "place/growth-search",
            "time of an evaluation in the search, 1,000,000 tasks x 10,000 nodes over 1,000 x 10",
            "ratio",
            most(10.0),
            most(4.0),
            growth_of_search,
        ),
        row(
            "place/memory",
            "peak of 1,000,000 tasks x 10,000 nodes x 12 resources: model, placement, search, order",
            "GB",
            most(8.0),
            most(8.0),
            memory,
        ),
    ]
}

fn half_gap() -> Outcome {
    let (model, at) = instance("b_5")?;
    let (start, goal) = (
        Placement::new(&model, &at).map_err(|e| e.to_string())?,
        lower_bound(&model),
    );
    let half = goal + (start.cost(&model) - goal) / 2;
    let (begin, reached) = (seconds(), std::cell::Cell::new(None));
    let mut budget = |_| {
        if reached.get().is_some() {
            1.0
        } else {
            (seconds() - begin) / 20.0
        }
    };
    let mut improved = |_, cost| {
        if cost <= half && reached.get().is_none() {
            reached.set(Some(seconds() - begin));
        }
    };
    Solver { seed: 1 }
        .improve(&model, &at, &mut budget, &mut improved)
        .map_err(|e| e.to_string())?;
    Ok(Measured::alone(reached.get().unwrap_or(20.0)))
}

/// Exact cost of random shifts, and whether a hard constraint forbids them, on the initial assignment.
fn shifts(name: &str) -> Outcome {
    let (model, at) = instance(name)?;
    let p = Placement::new(&model, &at).map_err(|e| e.to_string())?;
    let pairs = random_shifts(&model);
    let ns = ns_per_call(5, 500_000, |i| {
        let (task, node) = pairs[i % pairs.len()];
        let cost = p.cost_of_shift(&model, task, node);
        (cost, p.blocked(&model, task, node))
    })?;
    Ok(Measured::alone(1e3 / ns))
}

fn random_shifts(model: &Model) -> Vec<(TaskId, NodeId)> {
    let mut rng = stream(1, "shifts");
    let mut below = |n: usize| rng.random_range(0..n.max(1)) as u32;
    let (tasks, nodes) = (model.tasks(), model.nodes());
    (0..1 << 16)
        .map(|_| (TaskId(below(tasks)), NodeId(below(nodes))))
        .collect()
}

fn urgent() -> Outcome {
    let (model, at) = synthetic(50_000, 5_000)?;
    let mut p = Placement::new(&model, &at).map_err(|e| e.to_string())?;
    let hot = (0..5_000)
        .map(NodeId)
        .max_by_key(|n| {
            p.tasks_on(*n)
                .map(|t| model.need(t).iter().sum::<i64>())
                .sum::<i64>()
        })
        .ok_or("no node")?;
    let ns = ns_per_call(5, 3, |_| relieve(&model, &mut p, hot, 3))?;
    let answer = relieve(&model, &mut p, hot, 3);
    if answer.moves.is_empty() {
        return Err("nothing was found".to_owned());
    }
    Ok(Measured::alone(ns / 1e6))
}

fn order(name: &str) -> Outcome {
    let (model, at) = instance(name)?;
    let start = seconds();
    let mut budget = |_| (seconds() - start) / 5.0;
    let found = Solver { seed: 1 }
        .improve(&model, &at, &mut budget, &mut |_, _| {})
        .map_err(|e| e.to_string())?;
    let start = seconds();
    let order = order_moves(&model, &at, &found.assignment, OrderLimits::default())
        .map_err(|e| e.to_string())?;
    let spent = seconds() - start;
    if !order.given_up.is_empty() {
        return Err(format!("{} moves were given up", order.given_up.len()));
    }
    Ok(Measured::alone(spent))
}

fn growth() -> Outcome {
    let time = |tasks: usize, nodes: usize| -> Result<f64, String> {
        let (model, at) = synthetic(tasks, nodes)?;
        let p = Placement::new(&model, &at).map_err(|e| e.to_string())?;
        let pairs = random_shifts(&model);
        ns_per_call(5, 500_000, |i| {
            let (task, node) = pairs[i % pairs.len()];
            p.cost_of_shift(&model, task, node)
        })
    };
    let (small, large) = (time(1_000, 10)?, time(1_000_000, 10_000)?);
    Ok(Measured::alone(large / small))
}

/// What an additional evaluation takes: two searches that differ in nothing but their length, so that what is
/// done once does not count.
fn growth_of_search() -> Outcome {
    let time = |tasks: usize, nodes: usize| -> Result<f64, String> {
        let (model, at) = synthetic(tasks, nodes)?;
        let run = |evaluations: u64| -> Result<(f64, f64), String> {
            let start = seconds();
            let mut budget = Evaluations(evaluations);
            let found = Solver { seed: 1 }.improve(&model, &at, &mut budget, &mut |_, _| {});
            let found = found.map_err(|e| e.to_string())?;
            Ok((seconds() - start, found.evaluations as f64))
        };
        let (short, long) = (run(4_000_000)?, run(20_000_000)?);
        Ok((long.0 - short.0) / (long.1 - short.1))
    };
    let (small, large) = (time(1_000, 10)?, time(1_000_000, 10_000)?);
    Ok(Measured::alone(large / small))
}

/// The most that was resident while the largest model was built, searched and its moves were ordered.
fn memory() -> Outcome {
    // 5 makes the kernel forget the peak so far (proc(5)), so that other rows' peaks do not count.
    std::fs::write("/proc/self/clear_refs", "5").map_err(|e| e.to_string())?;
    let (model, at) = synthetic_far(1_000_000, 10_000)?;
    let mut budget = Evaluations(4_000_000);
    let found = Solver { seed: 1 }
        .improve(&model, &at, &mut budget, &mut |_, _| {})
        .map_err(|e| e.to_string())?;
    let order = order_moves(&model, &at, &found.assignment, OrderLimits::default());
    let moves = order.map_err(|e| e.to_string())?.moves();
    let p = Placement::moved(&model, &at, &found.assignment).map_err(|e| e.to_string())?;
    p.check_invariants(&model)?;
    if moves == 0 || found.cost >= found.initial {
        return Err("nothing was moved".to_owned());
    }
    Ok(Measured::alone(peak_rss_bytes() as f64 / 1e9))
}
