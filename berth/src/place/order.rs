//! `berth place order`.

use super::{Instance, assignment, refused};
use crate::answer::{Answer, Failure};
use clap::Args;
use scheduler_core::order::{OrderLimits, order_moves};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Orders the moves from the initial assignment to a solution into waves: within a wave any order, and all
/// at once, is safe. Exit status 1 when moves had to be given up.
#[derive(Debug, Args)]
pub(super) struct OrderArgs {
    #[command(flatten)]
    instance: Instance,
    /// The assignment to reach (ROADEF 2012 text).
    #[arg(long, value_name = "FILE")]
    solution: PathBuf,
    /// Moves of one wave that leave or enter one node at most [default: as many as fit].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_node: Option<u32>,
}

pub(super) fn run(args: &OrderArgs) -> Result<Answer, Failure> {
    let (model, initial) = args.instance.read()?;
    let target = assignment(&model, &args.solution)?;
    let per_node = args.per_node.map_or(usize::MAX, |n| n as usize);
    let limits = OrderLimits::default().with_per_node(per_node);
    let order = order_moves(&model, &initial, &target, limits).map_err(|e| refused(&e))?;
    let mut text = format!(
        "{} moves in {} waves, {} of them to wait, {} given up\n",
        order.moves(),
        order.waves.len(),
        order.staging_moves(),
        order.given_up.len()
    );
    let mut waves = Vec::with_capacity(order.waves.len());
    for (i, wave) in order.waves.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "wave {i}");
        let mut steps: Vec<Value> = Vec::with_capacity(wave.len());
        for s in wave {
            let wait = if s.staging { " to wait" } else { "" };
            let _ = writeln!(
                text,
                "  {} from {} to {}{wait}: {}",
                s.task, s.from, s.to, s.reason
            );
            steps.push(json!({
                "task": s.task.0, "from": s.from.0, "to": s.to.0, "staging": s.staging,
                "reason": s.reason,
            }));
        }
        waves.push(Value::Array(steps));
    }
    let given_up: Vec<u32> = order.given_up.iter().map(|t| t.0).collect();
    let status = u8::from(!given_up.is_empty());
    let json = json!({
        "moves": order.moves(), "staging_moves": order.staging_moves(), "waves": waves,
        "given_up": given_up,
    });
    Ok(Answer { text, json, status })
}
