//! Every captured set-up: the bytes tc sent, and what the kernel answered.

mod support;

use netshape::parse_line;
use netshape::wire::{HexLine, Message, decode, hex_lines, hex_of};
use support::{ifindexes, normal, requests, samples};

#[test]
fn requests_are_equal_to_what_tc_sends() {
    let Some(samples) = samples() else { return };
    let (mut set_ups, mut equal, mut refused, mut wrong) = (0, 0, 0, Vec::new());
    for sample in &samples {
        let Some(requests) = requests(&sample.dir.join("requests.nl")) else { continue };
        let devices = ifindexes(&requests);
        set_ups += 1;
        for (command, sent) in &requests {
            let ours = parse_line(command, sample.era, &devices);
            match (ours, sent.first()) {
                (Ok(Some(message)), Some(theirs)) => {
                    let (ours, theirs) = (hex_of(&normal(&message.to_bytes())), hex_of(&normal(theirs)));
                    if ours == theirs {
                        equal += 1;
                    } else {
                        wrong.push(format!("{}: {command}\n ours {ours}\n tc   {theirs}", sample.name));
                    }
                }
                (Err(_), None) => refused += 1,
                (ours, theirs) => {
                    wrong.push(format!("{}: {command}\n ours {ours:?}\n tc sent {}", sample.name, theirs.is_some()));
                }
            }
        }
    }
    eprintln!("{set_ups} set-ups: {equal} requests equal, {refused} refused like tc");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(equal > 0 && refused > 0);
}

#[test]
fn every_dump_is_decoded_and_requests_come_back() {
    let Some(samples) = samples() else { return };
    let mut messages = 0;
    for sample in &samples {
        let mut files: Vec<_> =
            std::fs::read_dir(&sample.dir).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "nl"));
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for line in hex_lines(&text) {
                let (bytes, sent) = match line.unwrap() {
                    HexLine::Command(_) => continue,
                    HexLine::Sent(bytes) => (bytes, true),
                    HexLine::Received(bytes) => (bytes, false),
                };
                for message in decode(&bytes) {
                    let message = message.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                    messages += 1;
                    let Message::Tc(message) = message else { continue };
                    let request = sent && file.ends_with("requests.nl");
                    if request {
                        let again = hex_of(&normal(&message.to_bytes()));
                        assert_eq!(again, hex_of(&normal(&bytes)), "{}", file.display());
                    }
                    let known = ["noqueue", "pfifo_fast", "mq", "ingress", "clsact"];
                    let kind = message.kind.as_deref().unwrap_or("");
                    let raw = matches!(message.options, Some(netshape::wire::Options::Raw(_)));
                    assert!(!raw || known.contains(&kind), "{}: {message:?}", file.display());
                }
            }
        }
    }
    assert!(messages > 100, "{messages}");
}
