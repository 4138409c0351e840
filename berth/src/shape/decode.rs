//! `berth shape decode`: netlink messages in text form, read.

use super::{FileArg, message, read};
use crate::answer::{Answer, Failure};
use clap::Args;
use netshape::netlink::{HexLine, Message, decode, hex_lines};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Arguments of `berth shape decode`.
#[derive(Debug, Args)]
pub(super) struct DecodeArgs {
    /// Lines of `# command`, `> hex` (sent) and `< hex` (received); `-` is standard input.
    file: FileArg,
}

pub(super) fn run(args: &DecodeArgs) -> Result<Answer, Failure> {
    let text = read(&args.file)?;
    let place = args.file.display().to_string();
    let (mut messages, mut answers): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    let mut command: Option<String> = None;
    let mut done = false;
    for line in hex_lines(&text) {
        let line = line.map_err(|e| Failure::input(e.to_string(), place.clone()))?;
        let (bytes, direction) = match line {
            HexLine::Command(given) => {
                command = Some(given.to_owned());
                continue;
            }
            HexLine::Sent(bytes) => (bytes, "sent"),
            HexLine::Received(bytes) => (bytes, "received"),
        };
        for decoded in decode(&bytes) {
            let decoded = decoded.map_err(|e| Failure::input(e.to_string(), place.clone()))?;
            match decoded {
                Message::Tc(tc) => {
                    let mut value = message::json(&tc);
                    if let Value::Object(map) = &mut value {
                        map.insert("direction".into(), json!(direction));
                        map.insert("command".into(), json!(command));
                    }
                    messages.push(value);
                }
                Message::Done => done = true,
                Message::Answer { seq, errno, text } => {
                    let mut answer = json!({"seq": seq, "errno": errno});
                    if let Some(text) = text {
                        answer["text"] = json!(text);
                    }
                    answers.push(answer);
                }
                Message::Other { number } => answers.push(json!({"type": number})),
            }
        }
    }
    let mut text = String::new();
    for value in &messages {
        let _ = writeln!(text, "{}", message::line(value));
    }
    let document = json!({"messages": messages, "answers": answers, "done": done});
    Ok(Answer::done(text, document))
}
