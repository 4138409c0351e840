//! Every captured set-up: the bytes tc sent, and what the kernel answered. No file of the recorded vectors is
//! this crate's; its vectors are the captures in the shared folder's `data/tc-samples`.

mod support;

use netshape::netlink::{HexLine, Message, decode, hex_lines, hex_of};
use netshape::tc::{TickRounding, batch_commands, parse_line, parse_line_with_speeds};
use support::{SHARED, Sample, ifindexes, normal, own, requests, shared};

fn requests_are_equal_to_what_tc_sends(samples: &[Sample]) {
    let (mut set_ups, mut equal, mut refused, mut wrong) = (0, 0, 0, Vec::new());
    for sample in samples {
        let Some(requests) = requests(&sample.dir.join("requests.nl")) else {
            continue;
        };
        let devices = ifindexes(&requests);
        set_ups += 1;
        for (command, sent) in &requests {
            let ours = parse_line(command, sample.rounding, &devices);
            match (ours, sent.first()) {
                (Ok(Some(message)), Some(theirs)) => {
                    let (ours, theirs) = (
                        hex_of(&normal(&message.to_bytes())),
                        hex_of(&normal(theirs)),
                    );
                    if ours == theirs {
                        equal += 1;
                    } else {
                        wrong.push(format!(
                            "{}: {command}\n ours {ours}\n tc   {theirs}",
                            sample.name
                        ));
                    }
                }
                (Err(_), None) => refused += 1,
                (ours, theirs) => {
                    wrong.push(format!(
                        "{}: {command}\n ours {ours:?}\n tc sent {}",
                        sample.name,
                        theirs.is_some()
                    ));
                }
            }
        }
    }
    eprintln!("{set_ups} set-ups: {equal} requests equal, {refused} refused like tc");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(equal > 0);
}

fn every_dump_is_decoded_and_requests_come_back(samples: &[Sample]) {
    let mut messages = 0;
    for sample in samples {
        let mut files: Vec<_> = std::fs::read_dir(&sample.dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
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
                    let Message::Tc(message) = message else {
                        continue;
                    };
                    let request = sent && file.ends_with("requests.nl");
                    if request {
                        let again = hex_of(&normal(&message.to_bytes()));
                        assert_eq!(again, hex_of(&normal(&bytes)), "{}", file.display());
                    }
                    let known = ["noqueue", "pfifo_fast", "mq", "ingress", "clsact"];
                    let kind = message.kind.as_deref().unwrap_or("");
                    let raw = matches!(message.options, Some(netshape::netlink::Options::Raw(_)));
                    assert!(
                        !raw || known.contains(&kind),
                        "{}: {message:?}",
                        file.display()
                    );
                }
            }
        }
    }
    assert!(messages > 100, "{messages}");
}

fn generated_commands_are_equal_to_what_tc_sent() {
    let captures = [
        (
            include_str!("captured/tc-6.1.0.nl"),
            TickRounding::Truncating,
        ),
        (
            include_str!("captured/tc-6.1.0-corners.nl"),
            TickRounding::Truncating,
        ),
        (include_str!("captured/tc-7.2.0.nl"), TickRounding::Ceil),
    ];
    let devices = [("lo", 1), ("d1", 2), ("d0", 3), ("ifbA", 4)];
    let devices = devices
        .into_iter()
        .map(|(n, i)| (n.to_owned(), i))
        .collect();
    for (text, rounding) in captures {
        let mut cases: Vec<(&str, Option<Vec<u8>>)> = Vec::new();
        for line in hex_lines(text) {
            match line.unwrap() {
                HexLine::Command(c) if c.starts_with("tc ") => cases.push((c, None)),
                HexLine::Sent(bytes) => cases.last_mut().unwrap().1 = Some(bytes),
                _ => {}
            }
        }
        assert!(cases.iter().filter(|(_, sent)| sent.is_some()).count() > 200);
        for (command, theirs) in cases {
            let ours = parse_line(command, rounding, &devices).ok().flatten();
            let ours = ours.map(|m| hex_of(&without_unset_words(normal(&m.to_bytes()))));
            assert_eq!(
                ours,
                theirs.as_deref().map(hex_of),
                "{rounding:?}: {command}"
            );
        }
    }
}

/// Without the word that tc 6.1.0 leaves unset in a mark.
fn without_unset_words(mut bytes: Vec<u8>) -> Vec<u8> {
    let mark: [u8; 4] = [16, 0, 10, 0];
    let at = bytes.windows(4).position(|w| w == mark);
    if let Some(at) = at.filter(|_| bytes[4] == 44) {
        bytes[at + 12..at + 16].fill(0);
    }
    bytes
}

fn a_batch_is_read_as_tc_reads_it() {
    let text = "# first\nqdisc add dev d0 root handle 1: \\\n htb default 10\n  # indented\n\
        qdisc add dev d0 clsact # trailing\nqdisc add dev \"d0\" root 'htb' default \"11\"\n\
        qdisc add dev d0#x root htb\n# comment with backslash \\\nqdisc add dev d0 root htb default 16\n\
        qdisc add dev d0 root htb default 17 \\\n# in between\nqdisc add dev d0 root htb default 18 # c \\\n\
        qdisc add dev d0 root htb default 20 \\\nr2q 5 \\\ndirect_qlen 7\nqdisc add dev d0 root htb default 21\r\n\
        qdisc add dev d0 root htb default 22 \\";
    let devices = [("d0".to_owned(), 3)].into_iter().collect();
    let ours: Vec<_> = batch_commands(text)
        .map(|(line, command)| {
            let message = parse_line(&command, TickRounding::Ceil, &devices);
            let default = message.map(|m| match m.unwrap().options {
                Some(netshape::netlink::Options::Htb(htb)) => Some((htb.default, htb.rate2quantum)),
                _ => None,
            });
            (line, default.ok())
        })
        .collect();
    let htb = |default| Some(Some((default, 10)));
    let theirs = [
        (2, htb(0x10)),
        (5, Some(None)),
        (6, htb(0x11)),
        (7, Some(None)),
        (9, htb(0x16)),
        (10, htb(0x17)),
        (12, htb(0x18)),
        (13, Some(Some((0x20, 5)))),
        (16, htb(0x21)),
        // Nothing follows the backslash, so it is a word, which tc does not know.
        (17, None),
    ];
    assert_eq!(ours, theirs);
}

fn a_rate_in_percent_is_of_the_speed_that_was_said() {
    let devices = [("d0".to_owned(), 3)].into_iter().collect();
    let speeds = [("d0".to_owned(), 10_000)].into_iter().collect();
    let rate = |text: &str| {
        let line = format!("class add dev d0 parent 1: classid 1:1 htb rate {text}");
        assert!(parse_line(&line, TickRounding::Ceil, &devices).is_err());
        let message =
            parse_line_with_speeds(&line, TickRounding::Ceil, &devices, &speeds).ok()??;
        match message.options {
            Some(netshape::netlink::Options::HtbClass(htb)) => Some(htb.rate.bytes_per_second),
            _ => None,
        }
    };
    // What tc 6.1.0 and 7.2.0 sent for a veth, whose speed is 10,000 Mbit/s.
    assert_eq!(rate("50%"), Some(625_000_000));
    assert_eq!(rate("33.33333%"), Some(416_666_625));
    assert_eq!(rate("0.00001%"), Some(125));
    for refused in ["150%", "-5%", "0%", "%", "5%%", "nan%"] {
        assert_eq!(rate(refused), None, "{refused}");
    }
}

fn own_requests_are_equal_to_what_tc_sends() {
    requests_are_equal_to_what_tc_sends(&own());
}

fn shared_requests_are_equal_to_what_tc_sends() {
    requests_are_equal_to_what_tc_sends(&shared());
}

fn own_dumps_are_decoded_and_requests_come_back() {
    every_dump_is_decoded_and_requests_come_back(&own());
}

fn shared_dumps_are_decoded_and_requests_come_back() {
    every_dump_is_decoded_and_requests_come_back(&shared());
}

test_support::tests! {
    own_requests_are_equal_to_what_tc_sends [],
    shared_requests_are_equal_to_what_tc_sends [SHARED],
    own_dumps_are_decoded_and_requests_come_back [],
    shared_dumps_are_decoded_and_requests_come_back [SHARED],
    generated_commands_are_equal_to_what_tc_sent [],
    a_batch_is_read_as_tc_reads_it [],
    a_rate_in_percent_is_of_the_speed_that_was_said [],
}
