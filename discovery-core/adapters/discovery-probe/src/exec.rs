//! Programs that check.

use crate::counts::Local;
use crate::probe::{Probe, Trouble};
use discovery_core::health::ProbeOutcome;
use std::process::Stdio;
use tokio::process::Command;

/// Runs a program until it ends; dropped, it kills it.
pub(crate) async fn run(probe: &Probe, command: &[String]) -> Result<ProbeOutcome, Trouble> {
    let unstarted = |text: String| Trouble::Local(Local::Check, text);
    let Some((program, arguments)) = command.split_first() else {
        return Err(unstarted("a program must be named".into()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("BERTH_ADDRESS", probe.address.ip().to_string())
        .env("BERTH_PORT", probe.address.port().to_string())
        .env("BERTH_ENDPOINT", &*probe.name)
        .env("BERTH_SERVICE", &*probe.service)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| match Trouble::from(error) {
        Trouble::Local(Local::Ports, text) => Trouble::Local(Local::Resources, text),
        Trouble::Endpoint => unstarted(format!("{program:?} cannot be started")),
        local => local,
    });
    let status = child?.wait().await?;
    Ok(match status.success() {
        true => ProbeOutcome::Pass,
        false => ProbeOutcome::Fail,
    })
}
