//! `berth discover`: endpoints from a source, checked, weighed and written where traffic is divided.

mod args;
mod control;
mod metrics;
mod report;
mod run;
mod sink;
mod source;
mod state;
mod table;

pub use args::DiscoverArgs;

use crate::answer::{Answer, Failure};
use args::Action;

/// Runs the command.
///
/// # Errors
/// A [`Failure`] with its exit status: 1 the answer is no, 2 bad input, 3 a file or the driver can't be reached.
pub fn run(args: &DiscoverArgs, json: bool) -> Result<Answer, Failure> {
    match &args.action {
        Action::Run(args) => run::run(args, json),
        Action::Drain(args) => control::drain(args, true),
        Action::Undrain(args) => control::drain(args, false),
        Action::Confirm(args) => control::confirm(args),
        Action::Show(args) => control::show(args),
    }
    .map_err(Failure::in_one_line)
}
