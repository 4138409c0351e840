//! `berth shape encode`: a tc batch as the messages that tc would send.

use super::{EraArg, FileArg, read};
use crate::answer::{Answer, Failure};
use clap::Args;
use netshape::netlink::hex_of;
use netshape::tc::{IfIndexes, batch_commands, parse_line_with_speeds};
use netshape::text::printable;
use serde_json::json;
use std::fmt::Write as _;

/// Arguments of `berth shape encode`.
#[derive(Debug, Args)]
pub(super) struct EncodeArgs {
    /// The batch: one tc command a line, with or without `tc` in front; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    batch: FileArg,
    /// The tc whose roundings to follow.
    #[arg(long, value_enum, default_value_t)]
    era: EraArg,
    /// Devices and their numbers: d0=3,d1=2.
    #[arg(long, value_name = "DEV=N,...", value_delimiter = ',')]
    ifindex: Vec<String>,
    /// Speeds of devices in Mbit/s, of which rates in percent are taken: d0=10000 (what a veth says).
    #[arg(long, value_name = "DEV=MBIT,...", value_delimiter = ',')]
    speed: Vec<String>,
}

fn devices(given: &[String], option: &'static str) -> Result<IfIndexes, Failure> {
    let mut devices = IfIndexes::new();
    for pair in given.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        let parsed = pair
            .rsplit_once('=')
            .and_then(|(name, n)| Some((name.trim(), n.trim().parse().ok()?)));
        let Some((name, number)) = parsed.filter(|(name, n)| !name.is_empty() && *n != 0) else {
            return Err(Failure::input(
                format!("`{pair}` is not DEV=NUMBER, such as d0=3"),
                option,
            ));
        };
        devices.insert(name.to_owned(), number);
    }
    Ok(devices)
}

/// A refused line goes to standard error and sends nothing; the rest goes on, and the status is 1.
pub(super) fn run(args: &EncodeArgs) -> Result<Answer, Failure> {
    let speeds = devices(&args.speed, "--speed")?;
    let devices = devices(&args.ifindex, "--ifindex")?;
    let text = read(&args.batch)?;
    let (mut out, mut messages, mut refused) = (String::new(), Vec::new(), Vec::new());
    let mut seq = 0_u32;
    for (line, command) in batch_commands(&text) {
        let command = command.as_ref();
        match parse_line_with_speeds(command, args.era.into(), &devices, &speeds) {
            Ok(None) => continue,
            Ok(Some(mut message)) => {
                seq = seq.wrapping_add(1);
                message.seq = seq;
                let hex = hex_of(&message.to_bytes());
                let _ = writeln!(out, "# {}\n> {hex}", with_tc(command));
                messages.push(json!({"line": line, "command": command, "hex": hex}));
            }
            Err(error) => {
                let place = format!("{}:{line}", args.batch.display());
                let (place, said) = (printable(&place), printable(command));
                eprintln!("berth: {place}: {said}: {error}");
                let _ = writeln!(out, "# {}", with_tc(command));
                refused
                    .push(json!({"line": line, "command": command, "message": error.to_string()}));
            }
        }
    }
    let status = u8::from(!refused.is_empty());
    Ok(Answer {
        text: out,
        json: json!({"messages": messages, "refused": refused}),
        status,
    })
}

/// The command as the captures name it.
fn with_tc(command: &str) -> String {
    match command.split_whitespace().next() {
        Some("tc") => command.to_owned(),
        _ => format!("tc {command}"),
    }
}
