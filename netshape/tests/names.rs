//! Names that a policy or the kernel may hold, and the texts that they end up in.

use netshape::ObservedState;
use netshape::kernel::KernelModel;
use netshape::object::{Handle, Htb, Other, Qdisc, QdiscKind};
use netshape::plan::{BatchError, diff};
use netshape::policy::{EgressPoint, RefusalKind};
use netshape::tc::{TickRounding, batch_commands, parse_line};
use netshape::text::{batch_word, printable, shell_word};
use netshape::{
    Capabilities, Container, DevName, Device, Direction, Host, Netns, Rate, Shape, Uplink,
};
use proptest::prelude::*;

fn shape() -> Shape {
    Shape::new(Rate::ZERO, Rate::mbit(10)).unwrap()
}

fn host(containers: impl IntoIterator<Item = Container>) -> Host {
    let mut host = Host::new(None, Vec::new(), Capabilities::default()).unwrap();
    for container in containers {
        let both = container.with_shape(Direction::Ingress, shape());
        host.insert(both.with_shape(Direction::Egress, shape()))
            .unwrap();
    }
    host
}

#[test]
fn a_device_may_be_called_what_the_kernel_lets_it_be_called() {
    // Tried with `ip link add NAME type ifb` on Linux 6.18.
    for name in [
        "e",
        "vh1;id>x;",
        "v#1",
        "v'1",
        "v\"1",
        "v$1",
        "v`1",
        "v\\",
        "-x",
        "!v",
        "~v",
        "vé",
        "v\u{1}",
        "v\u{7f}",
        "v\u{85}",
        "...",
        "exactly15bytes!",
        "v*?[",
        "v&|",
    ] {
        assert!(Container::new("c", name).is_ok(), "{name:?}");
        assert!(
            Uplink::new(name, Rate::gbit(1), Rate::ZERO).is_ok(),
            "{name:?}"
        );
    }
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "a\tb",
        "a\nb",
        "a\u{b}b",
        "a\0b",
        "v%x",
        "v%d",
        "và",
        "v\u{a0}",
        "sixteen_bytes_xx",
        "ééééééééé",
    ] {
        let refused = Container::new("c", name).unwrap_err();
        assert!(
            matches!(refused.kind, RefusalKind::BadName { .. }),
            "{name:?}"
        );
        assert_eq!(refused.field, "veth");
        assert!(!refused.to_string().contains(char::is_control), "{refused}");
        assert!(
            Uplink::new(name, Rate::gbit(1), Rate::ZERO).is_err(),
            "{name:?}"
        );
    }
}

#[test]
fn a_namespace_is_called_by_letters_digits_points_lines_and_dashes() {
    let inside = |name: &str| {
        let container = Container::new("c", "v").unwrap();
        container.with_egress_point(EgressPoint::Netns(name.into()), "eth0")
    };
    for name in ["a", "web-1", "A.b_c-9", "-x", "...", &"n".repeat(255)] {
        assert!(inside(name).is_ok(), "{name}");
    }
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "a;b",
        "$(id)",
        "pid:7",
        "é",
        "a\n",
        "a\u{1b}",
        &"n".repeat(256),
    ] {
        let refused = inside(name).unwrap_err();
        assert_eq!(refused.field, "netns", "{name}");
        assert!(!refused.to_string().contains(char::is_control), "{refused}");
    }
    // A container without a word on its namespace is in the one called like itself, which its id must then be.
    let mut host = host([]);
    let c = |id: &str| Container::new(id, "v").unwrap();
    let refused = host
        .insert(c("a;b").with_shape(Direction::Egress, shape()))
        .unwrap_err();
    assert_eq!(refused.field, "netns");
    assert!(
        host.insert(c("a;b").with_shape(Direction::Ingress, shape()))
            .is_ok()
    );
    assert!(
        c("p")
            .with_egress_point(EgressPoint::Pid(0), "eth0")
            .is_err()
    );
}

#[test]
fn a_process_is_never_taken_for_a_name() {
    assert_eq!("pid:7".parse(), Ok(Netns::Pid(7)));
    assert_eq!("host".parse(), Ok(Netns::Host));
    assert_eq!("netns:host".parse(), Ok(Netns::Named("host".into())));
    for netns in [
        Netns::Host,
        Netns::Pid(7),
        Netns::Named("7".into()),
        Netns::Named("host".into()),
    ] {
        assert_eq!(netns.to_string().parse(), Ok(netns));
    }
    for wrong in [
        "",
        "pid:",
        "pid:0",
        "pid:x",
        "pid:-1",
        "pid:4294967296",
        "a:b",
        "netns:",
        "a b",
    ] {
        assert!(wrong.parse::<Netns>().is_err(), "{wrong}");
    }
    let pid = Container::new("p", "v1")
        .unwrap()
        .with_egress_point(EgressPoint::Pid(7), "eth0")
        .unwrap();
    let named = Container::new("n", "v2")
        .unwrap()
        .with_egress_point(EgressPoint::Netns("7".into()), "eth0")
        .unwrap();
    let plan = diff(&ObservedState::new(), &host([pid, named]));
    let of = |netns: &Netns| plan.in_netns(netns).lines();
    assert!(
        of(&Netns::Pid(7))
            .lines()
            .all(|l| l.starts_with("nsenter --net=/proc/7/ns/net tc "))
    );
    assert!(
        of(&Netns::Named("7".into()))
            .lines()
            .all(|l| l.starts_with("ip netns exec 7 tc "))
    );
}

/// A qdisc of a kind that some module brought, and a device of ours that nobody wants.
fn hostile_kernel(name: &str) -> KernelModel {
    let mut kernel = KernelModel::new();
    let mut foreign = Device::new();
    let kind = QdiscKind::Other(Box::new(Other {
        kind: "x\u{1b}[2J".into(),
        options: None,
    }));
    foreign.put_qdisc(Qdisc::new(Handle::qdisc(0x8001), Handle::ROOT, kind));
    kernel.put_device(DevName::host("v1"), foreign);
    let mut orphan = Device::new();
    let kind = QdiscKind::Htb(Htb::with_default_class(0x10));
    orphan.put_qdisc(Qdisc::new(Handle::qdisc(1), Handle::ROOT, kind));
    for netns in [Netns::Host, Netns::Named("gone".into()), Netns::Pid(4242)] {
        kernel.put_device(
            DevName {
                netns,
                dev: name.into(),
            },
            orphan.clone(),
        );
    }
    kernel
}

#[test]
fn advice_on_what_nobody_wants_names_its_namespace_and_can_be_pasted() {
    let host = host([Container::new("web", "v1").unwrap()]);
    let plan = diff(hostile_kernel("x;id").state(), &host);
    let whys: Vec<&str> = plan
        .left_alone()
        .iter()
        .map(|l| l.reason.as_str())
        .collect();
    for command in [
        "`tc qdisc delete dev 'x;id' root`",
        "`ip netns exec gone tc qdisc delete dev 'x;id' root`",
        "`nsenter --net=/proc/4242/ns/net tc qdisc delete dev 'x;id' root`",
    ] {
        assert!(
            whys.iter().any(|w| w.contains(command)),
            "{command}: {whys:?}"
        );
    }
}

/// Words of a line as a POSIX shell would make them, of what is ever written here: bare words, words in single quotes and
/// backslashes outside of them, and `"$(printf '...')"` with octal escapes.
fn shell_split(line: &str) -> Vec<Vec<u8>> {
    let (mut words, mut at) = (Vec::new(), line);
    while !at.is_empty() {
        let mut word = Vec::new();
        loop {
            if let Some(rest) = at.strip_prefix("\"$(printf '") {
                let (inner, rest) = rest.split_once("')\"").unwrap();
                let mut bytes = inner.bytes();
                while let Some(b) = bytes.next() {
                    if b == b'\\' {
                        let octal: String = bytes.by_ref().take(3).map(char::from).collect();
                        word.push(u8::from_str_radix(&octal, 8).unwrap());
                    } else {
                        word.push(b);
                    }
                }
                at = rest;
            } else if let Some(rest) = at.strip_prefix('\'') {
                let (inner, rest) = rest.split_once('\'').unwrap();
                word.extend(inner.bytes());
                at = rest;
            } else if let Some(rest) = at.strip_prefix('\\') {
                word.push(rest.as_bytes()[0]);
                at = &rest[1..];
            } else {
                match at.chars().next() {
                    None | Some(' ') => break,
                    Some(c) => {
                        assert!(
                            c.is_ascii_alphanumeric() || "_-.,:/@=+".contains(c),
                            "{c:?} bare in {line}"
                        );
                        word.push(c as u8);
                        at = &at[1..];
                    }
                }
            }
        }
        words.push(word);
        at = at.strip_prefix(' ').unwrap_or("");
    }
    words
}

fn names() -> impl Strategy<Value = String> {
    let sharp = prop::sample::select(vec![
        '\'', '"', '\\', '$', '`', ';', '#', '(', ')', '\u{1}', '\u{1b}', '\u{7f}', '\u{85}',
        '\u{202e}', 'é', '-', 'a', '*',
    ]);
    prop::collection::vec(sharp, 1..8).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn any_name_stays_one_word_and_no_text_has_a_raw_control_character(veth in names(), dev in names(), seen in names()) {
        let Ok(container) = Container::new("c", &veth).and_then(|c| c.with_egress_point(EgressPoint::Netns("c".into()), &dev)) else {
            return Ok(());
        };
        let host = host([container]);
        let plan = diff(hostile_kernel(&seen).state(), &host);
        for op in plan.ops() {
            let raw: Vec<Vec<u8>> = plan.command(op).into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(shell_split(&plan.shell(op)), raw);
        }
        let mut texts = vec![plan.lines(), plan.explain(&host)];
        texts.extend(plan.left_alone().iter().map(|l| format!("{} {}", l.device, l.reason)));
        texts.extend(plan.ops().iter().map(|op| plan.reason(op)));
        for netns in plan.namespaces() {
            let part = plan.in_netns(&netns);
            match part.batch() {
                Err(BatchError::Name { given }) => prop_assert!(given == veth || given == dev),
                Err(other) => prop_assert!(false, "{other}"),
                Ok(batch) => {
                    // What is carried is what the device is called.
                    let devices = [(veth.clone(), 3), (dev.clone(), 3)].into_iter().collect();
                    let messages: Vec<_> = batch_commands(&batch).map(|(_, c)| parse_line(&c, TickRounding::Truncating, &devices)).collect();
                    prop_assert_eq!(messages.len(), part.len());
                    prop_assert!(messages.iter().all(|m| matches!(m, Ok(Some(m)) if m.ifindex == 3)), "{batch}");
                    texts.push(batch);
                }
            }
        }
        for text in texts {
            prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        }
    }

    #[test]
    fn words_are_carried_or_refused(word in any::<String>()) {
        prop_assert!(!printable(&word).to_string().contains(char::is_control));
        prop_assert!(!shell_word(&word).contains(char::is_control));
        if let Some(carried) = batch_word(&word) {
            prop_assert!(!carried.contains(char::is_control) && !carried.contains('#'));
        }
    }
}
