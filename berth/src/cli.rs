//! The command line: one variant per command, each parsed into its module's own arguments.

use crate::answer;
use crate::ipam::{self, IpamArgs};
use crate::place::{self, PlaceArgs};
use crate::replay::{self, ReplayArgs};
use crate::shape::{self, ShapeArgs};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A container platform's decisions, as commands.
#[derive(Debug, Parser)]
#[command(name = "berth", version, about, long_about = None)]
struct Cli {
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay a day of load through all four cores (the default).
    Replay(ReplayArgs),
    /// Addresses: pools, claims, collection, routes.
    Ipam(Box<IpamArgs>),
    /// Bandwidth shaping: plan, encode, decode.
    Shape(ShapeArgs),
    /// Place tasks: solve, check and order reassignments.
    Place(PlaceArgs),
}

/// Parses the process's arguments, runs the command, prints, and returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outcome = match cli
        .command
        .unwrap_or_else(|| Command::Replay(ReplayArgs::default()))
    {
        Command::Replay(args) => replay::run(&args),
        Command::Ipam(args) => ipam::run(&args),
        Command::Shape(args) => shape::run(&args),
        Command::Place(args) => place::run(&args),
    };
    ExitCode::from(answer::print(outcome, cli.json))
}

/// Help and version go to standard output with status 0; bad usage is status 2, as JSON when asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let asked = !error.use_stderr();
    if !asked && std::env::args().any(|a| a == "--json") {
        let text = error.render().to_string();
        let first = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        let failure = answer::Failure {
            kind: "usage".into(),
            ..answer::Failure::input(first, "")
        };
        return ExitCode::from(answer::print(Err(failure), true));
    }
    // Nothing is left to do when the terminal is gone.
    let _ = error.print();
    ExitCode::from(if asked { 0 } else { 2 })
}
