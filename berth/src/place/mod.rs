//! `berth place`: make an assignment cheaper, check one, order its moves.

mod check;
mod meeting;
mod order;
mod solve;
mod watch;

use crate::answer::{Answer, Failure};
use clap::{Args, Subcommand};
use scheduler_core::placement::Violations;
use scheduler_core::{Model, NodeId, roadef};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Reads ROADEF 2012 text files; see `berth place solve --help`.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    #[command(subcommand)]
    command: PlaceCommand,
}

#[derive(Debug, Subcommand)]
enum PlaceCommand {
    /// Search for a cheaper assignment within a budget.
    Solve(solve::SolveArgs),
    /// Say whether an assignment is feasible, and what it costs, evaluated from scratch.
    Check(check::CheckArgs),
    /// Order the moves to an assignment so that every single one is safe.
    Order(order::OrderArgs),
}

/// The files of an instance.
#[derive(Debug, Args)]
struct Instance {
    /// The model (ROADEF 2012 text).
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The initial assignment (ROADEF 2012 text).
    #[arg(long, value_name = "FILE")]
    assignment: PathBuf,
}

impl Instance {
    fn read(&self) -> Result<(Model, Vec<NodeId>), Failure> {
        let model = roadef::read_model(&bytes(&self.model)?)
            .map_err(|e| Failure::input(e.to_string(), shown(&self.model)))?;
        let assignment = assignment(&model, &self.assignment)?;
        Ok((model, assignment))
    }
}

/// Runs the command.
///
/// # Errors
/// Files that cannot be read or written, or are malformed.
pub fn run(args: &PlaceArgs) -> Result<Answer, Failure> {
    match &args.command {
        PlaceCommand::Solve(args) => solve::run(args),
        PlaceCommand::Check(args) => check::run(args),
        PlaceCommand::Order(args) => order::run(args),
    }
}

fn assignment(model: &Model, path: &Path) -> Result<Vec<NodeId>, Failure> {
    roadef::read_assignment(model, &bytes(path)?)
        .map_err(|e| Failure::input(e.to_string(), shown(path)))
}

/// Broken constraints by kind; labels and taints are none of the format's.
fn counts(broken: &Violations) -> Value {
    json!({
        "capacity": broken.capacity, "transient": broken.transient, "conflict": broken.conflict,
        "spread": broken.spread, "dependency": broken.dependency,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::io(&e, shown(path)))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|e| Failure::io(&e, shown(path)))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// An assignment that its model refuses (it was read against the model, so its length is right).
fn refused(error: &scheduler_core::placement::PlacementError) -> Failure {
    Failure::input(error.to_string(), "--assignment")
}
