//! Hosts that change, kernels that were interfered with, plans cut short.

use super::Bytes;
use crate::{
    Capabilities, Class, Container, DevName, Device, Direction, Handle, Host, Htb, Inside, Kernel,
    Qdisc, QdiscKind, Rate, RateSpec, Shape, Tier, Uplink, diff, diff_touched,
};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A container comes: number, tier, guarantee and ceiling in Mbit/s, whether by an ifb.
    Insert(u8, u8, u16, u16, bool),
    /// A container goes, its devices staying behind.
    Remove(u8),
    /// A container goes with its devices.
    Vanish(u8),
    /// Elastic division gives it so many Mbit/s in a direction.
    Allocate(u8, bool, u16),
    /// Somebody interferes on the uplink: kind of interference, minor number, parent's minor.
    Meddle(u8, u16, u16),
    /// The plan of what was touched is carried out whole.
    Touched,
    /// A whole plan is carried out up to so many steps.
    Cut(u16),
}

impl Op {
    /// An operation from some bytes.
    pub fn draw(bytes: &mut Bytes<'_>) -> Self {
        let number = bytes.u8() % 24;
        match bytes.u8() % 16 {
            0..=5 => {
                let guarantee = u16::try_from(bytes.below(400)).unwrap_or(0);
                let more = u16::try_from(bytes.below(1_000)).unwrap_or(0);
                Self::Insert(
                    number,
                    bytes.u8() % 4,
                    guarantee,
                    more,
                    bytes.u8().is_multiple_of(4),
                )
            }
            6 => Self::Remove(number),
            7 => Self::Vanish(number),
            8..=9 => Self::Allocate(
                number,
                bytes.u8().is_multiple_of(2),
                u16::try_from(bytes.below(2_000)).unwrap_or(0),
            ),
            10..=12 => {
                let minors = [1, 2, 0x10, 0x33, 0x100, u16::from(bytes.u8()) + 0x100];
                let mut pick = || minors.get(bytes.below(6) as usize).copied().unwrap_or(1);
                let (id, parent) = (pick(), pick());
                Self::Meddle(bytes.u8(), id, parent)
            }
            13..=14 => Self::Touched,
            _ => Self::Cut(u16::from(bytes.u8())),
        }
    }
}

/// A host and the kernel below it.
#[derive(Clone, Debug)]
pub struct World {
    /// What is wanted.
    pub host: Host,
    /// What is there.
    pub kernel: Kernel,
    next_index: i32,
}

const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

impl World {
    /// A host of 1 Gbit/s with two tiers, that may replace what is not ours.
    #[must_use]
    pub fn new(era: crate::Era, fq_codel: bool) -> Self {
        let uplink = Uplink::new("eth0", Rate::gbit(1), Rate::mbit(10)).ok();
        let tiers = [("gold", 4), ("bronze", 1)]
            .into_iter()
            .filter_map(|(n, w)| Tier::new(n, w).ok());
        let caps = Capabilities {
            era,
            fq_codel,
            takeover: true,
            ..Capabilities::default()
        };
        let host = Host::new(uplink, tiers.collect(), caps);
        let host = host.unwrap_or_else(|e| panic!("{e}"));
        let mut world = Self {
            host,
            kernel: Kernel::new(),
            next_index: 1,
        };
        world.put(DevName::host("eth0"));
        world
    }

    fn put(&mut self, name: DevName) {
        if self.kernel.device(&name).is_none() {
            let mut device = Device::new();
            device.ifindex = Some(self.next_index);
            self.next_index += 1;
            self.kernel.put_device(name, device);
        }
    }

    /// Carries one operation out and checks what must hold then.
    pub fn step(&mut self, op: &Op) {
        match *op {
            Op::Insert(n, tier, guarantee, more, ifb) => self.insert(n, tier, guarantee, more, ifb),
            Op::Remove(n) => drop(self.host.remove(&format!("c{n}"))),
            Op::Vanish(n) => self.vanish(n),
            Op::Allocate(n, out, mbit) => {
                let direction = if out {
                    Direction::Egress
                } else {
                    Direction::Ingress
                };
                if let Some(slot) = self.host.slot(&format!("c{n}")) {
                    self.host
                        .allocate(slot, direction, Some(Rate::mbit(u64::from(mbit))));
                }
            }
            Op::Meddle(how, id, parent) => self.meddle(how, id, parent),
            Op::Touched => {
                let plan = diff_touched(&self.kernel, &mut self.host);
                // A meddled kernel may refuse a step; the whole plan mends it.
                let _ = self.kernel.apply_all(&plan);
            }
            Op::Cut(steps) => {
                let plan = diff(&self.kernel, &self.host);
                for op in plan.ops().iter().take(usize::from(steps)) {
                    self.carry(&plan, op);
                }
            }
        }
        let promised = self.host.promised(Direction::Egress);
        let bound = self
            .host
            .uplink()
            .map_or(Rate::ZERO, Uplink::for_containers);
        assert!(promised <= bound, "{promised} promised of {bound}");
    }

    fn carry(&mut self, plan: &crate::Plan, op: &crate::Op) {
        let answer = self.kernel.apply(plan, op);
        assert!(
            answer.is_ok(),
            "{:?} to {}\n{}",
            answer,
            plan.argv(op).join(" "),
            plan.batch()
        );
    }

    fn insert(&mut self, n: u8, tier: u8, guarantee: u16, more: u16, ifb: bool) {
        let (id, veth) = (format!("c{n}"), format!("veth{n}"));
        let guarantee = Rate::mbit(u64::from(guarantee));
        let ceiling = guarantee.saturating_add(Rate::mbit(u64::from(more)));
        let (Ok(shape), Ok(mut container)) =
            (Shape::new(guarantee, ceiling), Container::new(&id, &veth))
        else {
            return;
        };
        if ifb {
            container = container
                .inside(Inside::Ifb, "eth0")
                .unwrap_or_else(|e| panic!("{e}"));
        }
        container = match tier {
            0 => container.in_tier("gold"),
            1 => container.in_tier("bronze"),
            _ => container,
        };
        let container = container
            .shaped(Direction::Ingress, shape)
            .shaped(Direction::Egress, shape);
        let before = format!("{:?}", self.host);
        match self.host.insert(container) {
            Ok(slot) => {
                for name in BOTH
                    .into_iter()
                    .filter_map(|d| self.host.device(slot, d))
                    .collect::<Vec<_>>()
                {
                    self.put(name);
                }
                self.put(DevName::host(&veth));
            }
            Err(_) => assert_eq!(
                before,
                format!("{:?}", self.host),
                "a refusal changed the host"
            ),
        }
    }

    fn vanish(&mut self, n: u8) {
        let id = format!("c{n}");
        if let Some(slot) = self.host.slot(&id) {
            for name in BOTH
                .into_iter()
                .filter_map(|d| self.host.device(slot, d))
                .collect::<Vec<_>>()
            {
                self.kernel.remove_device(&name);
            }
            self.kernel
                .remove_device(&DevName::host(&format!("veth{n}")));
            self.host.remove(&id);
        }
    }

    /// Puts things on the uplink that no plan of ours put there.
    fn meddle(&mut self, how: u8, id: u16, parent: u16) {
        let name = DevName::host("eth0");
        let Some(mut device) = self.kernel.remove_device(&name) else {
            return;
        };
        let class = Handle::new(1, id);
        match how % 6 {
            0 => device.clear(),
            1 => drop(device.put_qdisc(Qdisc::new(
                Handle::qdisc(1),
                Handle::ROOT,
                QdiscKind::Htb(Htb::to_default(id)),
            ))),
            2 if !device.has_children(class) => {
                device.take_qdisc(class);
                device.take_class(class);
            }
            3 if device.root().is_some() => {
                // A class below some other that is there, as the kernel would have let it be.
                let parent = Handle::new(1, parent);
                let below = device
                    .class(parent)
                    .filter(|p| p.id != class && depth(&device, p) < 6);
                let parent = below.map_or(Handle::qdisc(1), |p| p.id);
                if device.class(class).is_none() {
                    device.take_qdisc(parent);
                    let rate = RateSpec::plain(u64::from(how) * 1_000 + 1).dumped();
                    let htb = crate::HtbClass {
                        rate,
                        ceil: rate,
                        quantum: 1_514,
                        ..Default::default()
                    };
                    device.put_class(Class {
                        id: class,
                        parent,
                        htb,
                    });
                }
            }
            4 if device.class(class).is_some() && !device.has_children(class) => {
                drop(device.put_qdisc(Qdisc::new(
                    Handle::qdisc(0x7000 | id),
                    class,
                    QdiscKind::Pfifo(Some(7)),
                )));
            }
            _ => {
                if let Some(found) = device.class(class).copied() {
                    let htb = crate::HtbClass {
                        quantum: 9_999,
                        ..found.htb
                    };
                    device.put_class(Class { htb, ..found });
                }
            }
        }
        self.kernel.put_device(name, device);
    }

    /// A whole plan leads to what is wanted, from whatever is there, cut short anywhere and planned again.
    pub fn converge(&mut self, cuts: &[u16]) {
        for cut in cuts {
            let plan = diff(&self.kernel, &self.host);
            for op in plan.ops().iter().take(usize::from(*cut)) {
                self.carry(&plan, op);
            }
        }
        let plan = diff(&self.kernel, &self.host);
        for op in plan.ops() {
            self.carry(&plan, op);
        }
        let again = diff(&self.kernel, &self.host);
        assert!(
            again.is_empty(),
            "not empty the second time:\n{}",
            again.batch()
        );
        for name in self.host.device_names() {
            let sound = self.host.tree(&name).map_or(Ok(()), |t| t.check());
            assert!(sound.is_ok(), "{name}: {sound:?}");
            self.check_tree(&name);
        }
    }

    /// The classes of a device are those that are wanted, figure for figure.
    fn check_tree(&self, name: &DevName) {
        let (Some(wanted), Some(seen)) = (self.host.tree(name), self.kernel.device(name)) else {
            return;
        };
        assert_eq!(wanted.classes().len(), seen.classes().len(), "{name}");
        for (w, s) in wanted.classes().iter().zip(seen.classes()) {
            let turns = wanted.qdisc_at(w.id).is_none() || w.htb.same_turns(&s.htb);
            let same = w.id == s.id && w.parent == s.parent && w.htb.same(&s.htb, 0) && turns;
            assert!(same, "{name}: {w:?} {s:?}");
        }
    }
}

fn depth(device: &Device, class: &Class) -> u32 {
    let (mut at, mut depth) = (class.parent, 0);
    while let Some(parent) = device.class(at).filter(|_| depth < 64) {
        (at, depth) = (parent.parent, depth + 1);
    }
    depth
}

/// Any bytes as a life of a host: every step holds its invariants, and a plan mends whatever came about.
pub fn fuzz_ops(data: &[u8]) {
    let mut bytes = Bytes(data.get(..data.len().min(2_048)).unwrap_or(&[]));
    let era = if bytes.u8() % 2 == 0 {
        crate::Era::Truncating
    } else {
        crate::Era::Ceil
    };
    let mut world = World::new(era, bytes.u8() % 2 == 0);
    let mut said: Vec<String> = vec![];
    while bytes.more() {
        let op = Op::draw(&mut bytes);
        said.push(format!("{op:?}"));
        world.step(&op);
    }
    let mut tail = Bytes(data);
    let cuts = [tail.u8(), tail.u8(), tail.u8()].map(u16::from);
    world.converge(&cuts);
    // Whatever is planned can be said in every form.
    let plan = diff(&Kernel::new(), &world.host);
    for op in plan.ops() {
        assert!(
            !plan.argv(op).is_empty() && !plan.explain(op).is_empty() && !op.inverse().is_empty()
        );
        assert!(plan.message(op, 1).to_bytes().len() >= 36);
    }
}
