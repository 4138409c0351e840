//! `berth-bandwidth`: a CNI chain plugin that takes the configuration of the CNI project's bandwidth plugin unchanged. It shapes both directions of a
//! container's veth as `netshape` plans it: repeated, an ADD changes only what differs, and a DEL leaves nothing.
#![forbid(unsafe_code)]

mod config;
mod shaping;
mod subnets;

use config::Config;
use ipam_cni::{Code, Environment, Refusal, versions};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

/// The longest configuration that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// What goes to standard output.
type Answer = Result<Option<Value>, Refusal>;

fn main() -> ExitCode {
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
        "ADD" => given(environment).and_then(|()| shaping::add(environment, &config)),
        "CHECK" => given(environment).and_then(|()| shaping::check(environment, &config)),
        "DEL" => given(environment).and_then(|()| shaping::delete(environment, &config)),
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

/// What these commands need to be told.
fn given(environment: &Environment) -> Result<(), Refusal> {
    let needs_namespace = environment.command != "DEL";
    let variables = [
        ("CNI_CONTAINERID", &environment.container, true),
        ("CNI_IFNAME", &environment.interface, true),
        ("CNI_NETNS", &environment.namespace, needs_namespace),
    ];
    let missing: Vec<&str> = variables
        .iter()
        .filter(|(_, value, needed)| *needed && value.is_empty())
        .map(|(name, ..)| *name)
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Refusal::new(
            Code::InvalidEnvironment,
            format!("required env variables [{}] missing", missing.join(",")),
        )),
    }
}
