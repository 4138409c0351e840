//! Transcripts: commands, a line of dashes, and what comes of them.

use netshape::kernel::KernelModel;
use netshape::plan::{Plan, diff, diff_touched};
use netshape::policy::EgressPoint;
use netshape::{Capabilities, Container, Device, Direction, Host, Rate, Shape, Tier, Uplink};
use std::fmt::Write as _;

/// A host being talked to.
struct Talk {
    host: Host,
    kernel: KernelModel,
    out: String,
}

impl Talk {
    /// A device that was not there before.
    fn comes(&mut self, name: netshape::DevName, ifindex: Option<i32>) {
        if self.kernel.device(&name).is_none() {
            let mut device = Device::new();
            device.ifindex = ifindex;
            self.kernel.put_device(name, device);
        }
    }

    fn plan(&mut self, plan: &Plan) {
        for op in plan.ops() {
            writeln!(self.out, "{:<10} {}", op.disruption.name(), plan.shell(op)).unwrap();
            writeln!(self.out, "           {}", plan.reason(op)).unwrap();
        }
        for left in plan.left_alone() {
            writeln!(
                self.out,
                "left alone {} {} {}: {}",
                left.device, left.object, left.handle, left.reason
            )
            .unwrap();
        }
        for refusal in plan.refused() {
            writeln!(self.out, "refused: {refusal}").unwrap();
        }
        if plan.is_empty() {
            writeln!(self.out, "nothing to do").unwrap();
        }
    }

    fn container(&mut self, id: &str, veth: &str, rest: &[&str]) {
        let mut container = Container::new(id, veth).unwrap();
        for word in rest {
            container = match word.split_once('=').unwrap_or((word, "")) {
                ("tier", tier) => container.with_tier(tier),
                ("ifb", _) => container
                    .with_egress_point(EgressPoint::Ifb, "eth0")
                    .unwrap(),
                (way, rates) => {
                    let way = if way == "in" {
                        Direction::Ingress
                    } else {
                        Direction::Egress
                    };
                    let (g, c) = rates.split_once("..").unwrap();
                    let guarantee = if g.is_empty() {
                        Rate::ZERO
                    } else {
                        g.parse().unwrap()
                    };
                    container.with_shape(way, Shape::new(guarantee, c.parse().unwrap()).unwrap())
                }
            };
        }
        match self.host.insert(container) {
            Ok(slot) => {
                self.comes(netshape::DevName::host(veth), None);
                for way in [Direction::Ingress, Direction::Egress] {
                    if let Some(name) = self.host.device(slot, way) {
                        self.comes(name, Some(9));
                    }
                }
            }
            Err(refusal) => writeln!(self.out, "refused: {refusal}").unwrap(),
        }
    }

    /// Somebody else at work, on a device by name.
    fn tc(&mut self, line: &str, words: &[&str]) {
        let devices = [("eth0", 1), ("v1", 2), ("other", 7), ("bsh944a4668", 9)]
            .map(|(n, i)| (n.to_owned(), i))
            .into_iter()
            .collect();
        let message =
            netshape::tc::parse_line(line, netshape::tc::TickRounding::Truncating, &devices)
                .unwrap()
                .unwrap();
        let dev = words
            .iter()
            .position(|w| *w == "dev")
            .map(|i| words[i + 1])
            .unwrap();
        match self.kernel.request(&netshape::DevName::host(dev), &message) {
            Ok(()) => {}
            Err(e) => writeln!(self.out, "kernel: {e}").unwrap(),
        }
    }

    fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["container", id, veth, rest @ ..] => self.container(id, veth, rest),
            ["remove", id] => drop(self.host.remove(id)),
            // Its section is refused.
            ["refused", id, veth] => {
                let container = Container::new(id, veth).unwrap();
                self.host.remove(id);
                self.host.hold(&container, None, self.kernel.state());
            }
            ["refused"] => self.host.hold_everything(),
            // Another process, which knows what the kernel shows and nothing else.
            ["restart"] => self.host = host(self.host.capabilities().takeover),
            ["allocate", id, way, rate] => {
                let slot = self.host.slot(id).unwrap();
                let way = if *way == "in" {
                    Direction::Ingress
                } else {
                    Direction::Egress
                };
                self.host.allocate(slot, way, Some(rate.parse().unwrap()));
            }
            // Said of the whole transcript, see `run`.
            ["takeover"] => {}
            ["undo"] => {
                // All steps, and then all of them back.
                let plan = diff(self.kernel.state(), &self.host);
                for op in plan.ops() {
                    for step in op.inverse() {
                        writeln!(self.out, "back       tc {}", plan.argv(&step).join(" ")).unwrap();
                    }
                }
            }
            ["plan"] => self.plan(&diff(self.kernel.state(), &self.host)),
            ["touched"] => {
                let plan = diff_touched(self.kernel.state(), &mut self.host);
                self.plan(&plan);
                self.kernel.apply_all(&plan).unwrap();
            }
            ["apply", rest @ ..] => {
                let steps = rest.first().map_or(usize::MAX, |n| n.parse().unwrap());
                let plan = diff(self.kernel.state(), &self.host);
                for op in plan.ops().iter().take(steps) {
                    self.kernel.apply(&plan, op).unwrap();
                }
            }
            ["tc", ..] => self.tc(line, &words),
            _ => panic!("{line}"),
        }
    }
}

fn host(takeover: bool) -> Host {
    let uplink = Uplink::new("eth0", Rate::gbit(1), Rate::mbit(100))
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    let tiers = vec![Tier::new("gold", 4).unwrap()];
    let caps = Capabilities::default().with_takeover(takeover);
    Host::new(Some(uplink), tiers, caps).unwrap()
}

fn run(commands: &str) -> String {
    let host = host(commands.lines().any(|l| l == "takeover"));
    let mut kernel = KernelModel::new();
    kernel.put_device(netshape::DevName::host("eth0"), Device::new());
    let mut talk = Talk {
        host,
        kernel,
        out: String::new(),
    };
    talk.comes(netshape::DevName::host("other"), Some(7));
    commands
        .lines()
        .filter(|l| !l.trim().is_empty() && !l.starts_with('#'))
        .for_each(|l| talk.command(l));
    talk.out
}

#[test]
fn transcripts() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let (commands, expected) = text.split_once("\n----\n").expect("a line of dashes");
        assert_eq!(
            run(commands).trim_end(),
            expected.trim_end(),
            "{}",
            path.display()
        );
    }
}
