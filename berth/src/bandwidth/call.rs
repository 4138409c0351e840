//! One call: what it is told, by its environment and standard input, and what it answers.

use crate::config::Config;
use crate::shaping;
use ipam_cni::{Code, Environment, Refusal, versions};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

/// The longest configuration that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// What goes to standard output.
pub(crate) type Answer = Result<Option<Value>, Refusal>;

pub(crate) fn run() -> ExitCode {
    let environment =
        Environment::read(|name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned()));
    let (version, answer) = answer(&environment);
    match answer {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(json)) => print(&json, ExitCode::SUCCESS),
        Err(refusal) => print(&refusal.to_json(version.as_deref()), ExitCode::FAILURE),
    }
}

fn print(json: &Value, status: ExitCode) -> ExitCode {
    let text = format!("{json:#}\n");
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => status,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The configuration's version, once it is known, and the answer.
fn answer(environment: &Environment) -> (Option<String>, Answer) {
    match &*environment.command {
        "" => {
            eprintln!(
                "CNI plugin berth-bandwidth {}: bandwidth of containers; called by a container runtime, not by hand.",
                env!("CARGO_PKG_VERSION")
            );
            return (None, Ok(None));
        }
        "VERSION" => return (None, Ok(Some(versions()))),
        _ => {}
    }
    let config = match input().and_then(|text| Config::read(&text)) {
        Ok(config) => config,
        Err(refusal) => return (None, Err(refusal)),
    };
    let answer = match &*environment.command {
        "ADD" => environment
            .check()
            .and_then(|()| shaping::add(environment, &config)),
        "CHECK" => environment
            .check()
            .and_then(|()| shaping::check(environment, &config)),
        "DEL" => environment
            .check()
            .and_then(|()| shaping::delete(environment, &config)),
        "GC" => shaping::collect(&config),
        "STATUS" => shaping::status(),
        other => Err(Refusal::new(
            Code::InvalidEnvironment,
            format!("unknown CNI_COMMAND: {other}"),
        )),
    };
    (Some(config.version), answer)
}

fn input() -> Result<Vec<u8>, Refusal> {
    let mut text = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(LONGEST + 1)
        .read_to_end(&mut text);
    read.map_err(|e| Refusal::new(Code::Io, format!("error reading from stdin: {e}")))?;
    match text.len() as u64 > LONGEST {
        true => Err(Refusal::new(Code::Decode, "the network config is too long")
            .details(format!("{LONGEST} bytes are read"))),
        false => Ok(text),
    }
}
