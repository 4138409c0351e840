//! `berth place check`.

use super::{Instance, assignment, counts, refused};
use crate::answer::{Answer, Failure};
use clap::Args;
use scheduler_core::Placement;
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Says whether a solution is feasible and what it costs. Exit status 1 when it is not feasible.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    instance: Instance,
    /// The assignment to check (ROADEF 2012 text).
    #[arg(long, value_name = "FILE")]
    solution: PathBuf,
}

pub(super) fn run(args: &CheckArgs) -> Result<Answer, Failure> {
    let (model, initial) = args.instance.read()?;
    let solution = assignment(&model, &args.solution)?;
    let placement = Placement::moved(&model, &initial, &solution).map_err(|e| refused(&e))?;
    let (broken, cost) = (placement.violations(&model), placement.cost_by_part(&model));
    let feasible = broken.is_empty();
    let mut text = String::new();
    let kinds = [
        ("capacity", broken.capacity),
        ("transient", broken.transient),
        ("conflict", broken.conflict),
        ("spread", broken.spread),
        ("dependency", broken.dependency),
    ];
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}",
        if feasible { "feasible" } else { "not feasible" }
    );
    for (name, count) in kinds.iter().filter(|(_, n)| *n > 0) {
        let _ = writeln!(text, "  {name:<13}broken {count} times");
    }
    let parts = [
        ("load", cost.load),
        ("balance", cost.balance),
        ("process move", cost.process_move),
        ("service move", cost.service_move),
        ("machine move", cost.machine_move),
        ("total", cost.total()),
    ];
    for (name, value) in parts {
        let _ = writeln!(text, "  {name:<13}{value:>16}");
    }
    let json = json!({
        "feasible": feasible,
        "violations": counts(&broken),
        "cost": {
            "load": cost.load, "balance": cost.balance, "process_move": cost.process_move,
            "service_move": cost.service_move, "machine_move": cost.machine_move,
            "total": cost.total(),
        },
        "moves": placement.moves(),
    });
    Ok(Answer {
        text,
        json,
        status: u8::from(!feasible),
    })
}
