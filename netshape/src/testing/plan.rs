//! Hosts that change, kernels that were interfered with, plans cut short.

mod change;
mod meddle;
mod op;
mod packets;

pub use op::Op;

use super::Draws;
use crate::kernel::KernelModel;
use crate::object::{
    Class, Filter, FilterKind, Handle, Htb, Qdisc, QdiscKind, U32, U32Part, U32Sel,
};
use crate::plan::{diff, diff_touched};
use crate::policy::EgressPoint;
use crate::{Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape, Tier, Uplink};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// A host and the kernel below it.
#[derive(Clone, Debug)]
pub struct World {
    /// What is wanted.
    pub host: Host,
    /// What is there.
    pub kernel: KernelModel,
    next_index: i32,
    /// Containers whose section is refused.
    held: BTreeMap<String, Container>,
}

const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

impl World {
    /// A host of 1 Gbit/s with two tiers, that may replace what is not ours.
    #[must_use]
    pub fn new(rounding: crate::tc::TickRounding, fq_codel: bool) -> Self {
        let uplink = Uplink::new("eth0", Rate::gbit(1), Rate::mbit(10)).ok();
        let tiers = [("gold", 4), ("bronze", 1)]
            .into_iter()
            .filter_map(|(n, w)| Tier::new(n, w).ok());
        let caps = Capabilities {
            tick_rounding: rounding,
            fq_codel,
            takeover: true,
            ..Capabilities::default()
        };
        let host = Host::new(uplink, tiers.collect(), caps);
        let host = host.unwrap_or_else(|e| panic!("{e}"));
        let mut world = Self {
            host,
            kernel: KernelModel::new(),
            next_index: 1,
            held: BTreeMap::new(),
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
            Op::Remove(n) => {
                drop(self.host.remove(&format!("c{n}")));
                self.held.remove(&format!("c{n}"));
            }
            Op::Change(n, how) => self.change(n, how),
            Op::Refuse(n) => self.refuse(n),
            Op::Restart => self.restart(),
            Op::InFront(n, how) => self.in_front(n, how),
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
            Op::Foreign(how, n, which) => self.foreign(how, n, which),
            Op::Touched => {
                let plan = diff_touched(self.kernel.state(), &mut self.host);
                // A meddled kernel may refuse a step; the whole plan mends it.
                let _ = self.kernel.apply_all(&plan);
            }
            Op::Cut(steps) => {
                let plan = diff(self.kernel.state(), &self.host);
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

    fn carry(&mut self, plan: &crate::plan::Plan, op: &crate::plan::Op) {
        let answer = self.kernel.apply(plan, op);
        assert!(
            answer.is_ok(),
            "{:?} to {}\n{}",
            answer,
            plan.shell(op),
            plan.lines()
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
                .with_egress_point(EgressPoint::Ifb, "eth0")
                .unwrap_or_else(|e| panic!("{e}"));
        }
        container = match tier {
            0 => container.with_tier("gold"),
            1 => container.with_tier("bronze"),
            _ => container,
        };
        let container = container
            .with_shape(Direction::Ingress, shape)
            .with_shape(Direction::Egress, shape)
            .with_addresses(packets::addresses(n))
            .unwrap_or_else(|e| panic!("{e}"));
        let before = format!("{:?}", self.host);
        match self.host.insert(container) {
            Ok(slot) => {
                self.held.remove(&id);
                for name in BOTH
                    .into_iter()
                    .filter_map(|d| self.host.device(slot, d))
                    .collect::<Vec<_>>()
                {
                    self.put(name);
                }
                self.put(DevName::host(&veth));
                if let Some(ifb) = self.host.uplink_place(Direction::Ingress) {
                    self.put(ifb);
                }
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

    /// A whole plan leads to what is wanted, from whatever is there, cut short anywhere and planned again.
    pub fn converge(&mut self, cuts: &[u16]) {
        for cut in cuts {
            let plan = diff(self.kernel.state(), &self.host);
            for op in plan.ops().iter().take(usize::from(*cut)) {
                self.carry(&plan, op);
            }
        }
        let before = self.kernel.clone();
        let plan = diff(self.kernel.state(), &self.host);
        assert_eq!(plan.refused(), []);
        for op in plan.ops() {
            self.carry(&plan, op);
        }
        self.check_leftovers(&before, &plan);
        let again = diff(self.kernel.state(), &self.host);
        assert!(
            again.is_empty(),
            "not empty the second time:\n{}",
            again.lines()
        );
        for name in self.host.device_names() {
            self.check_sums(&name);
            let alone = |l: &&crate::plan::LeftAlone| {
                l.object == crate::netlink::ObjectKind::Qdisc && l.device == name
            };
            match again.left_alone().iter().find(alone) {
                // A root that would have to go stays for the sake of what is refused below it.
                Some(_) => assert!(!self.held.is_empty(), "{name}"),
                None => {
                    self.check_tree(&name, &again);
                    self.check_packets(&name);
                }
            }
        }
    }

    /// Each step of a whole plan can be taken back: the device is then as it was before it.
    pub fn take_back(&mut self) {
        let plan = diff(self.kernel.state(), &self.host);
        for op in plan.ops() {
            let before = self.kernel.clone();
            self.carry(&plan, op);
            // A filter that waited for a class holds it from the moment it comes.
            if let (crate::plan::Object::Class(class), Some(name)) = (&op.object, plan.device(op))
                && before.device(name).is_some_and(|d| awaited(d, class.id))
            {
                continue;
            }
            let mut back = self.kernel.clone();
            for inverse in op.inverse() {
                let seen = plan.device(op).and_then(|name| back.device(name));
                let inverse = match seen.filter(|_| inverse.action == crate::plan::Action::Delete) {
                    Some(seen) => inverse.numbered(seen),
                    None => inverse,
                };
                let answer = back.apply(&plan, &inverse);
                assert!(
                    answer.is_ok(),
                    "{answer:?} to {} taking back {}",
                    plan.argv(&inverse).join(" "),
                    plan.argv(op).join(" ")
                );
            }
            let Some(name) = plan.device(op) else {
                continue;
            };
            // What has no handle is the kernel's own, which it puts back by itself; what is not said it fills in.
            let seen = |kernel: &KernelModel| {
                let mut device = kernel.device(name).cloned().unwrap_or_default();
                device.retain(|q| !q.handle.is_none(), |_| true);
                for qdisc in device.qdiscs().to_vec() {
                    if let QdiscKind::Htb(htb) = qdisc.kind {
                        let direct_qlen = None;
                        let kind = QdiscKind::Htb(Htb { direct_qlen, ..htb });
                        device.put_qdisc(Qdisc { kind, ..qdisc });
                    }
                }
                // Levels are the kernel's to say; whoever meddles does not set them.
                for class in device.classes().to_vec() {
                    let htb = crate::object::HtbClass {
                        level: 0,
                        ..class.htb
                    };
                    device.put_class(Class { htb, ..class });
                }
                // What leads to a table that is not there no request can make.
                let nodes = device.filters().iter().filter(|f| f.handle & 0xfff != 0);
                let nodes = nodes.filter(|f| packets::leads_somewhere(f, &device));
                let nodes =
                    nodes.map(|f| (f.parent, f.prio, f.protocol, f.handle & 0xfff, target(f)));
                let nodes: Vec<_> = nodes.collect();
                device.retain_filters(|_| false);
                (device, nodes)
            };
            let (was, is) = (seen(&before), seen(&back));
            assert_eq!(was, is, "{name}: {}", plan.argv(op).join(" "));
        }
    }

    /// The classes of a device are those that are wanted, figure for figure. Only what is above a refused container's class can be
    /// below another parent than is wanted, and the plan says so then.
    fn check_tree(&self, name: &DevName, plan: &crate::plan::Plan) {
        let (Some(wanted), Some(seen)) = (self.host.tree(name), self.kernel.device(name)) else {
            return;
        };
        let kept = self.kept_classes(name);
        let classes = seen.classes().iter().filter(|c| !kept.contains(&c.id));
        let classes: Vec<&Class> = classes.collect();
        assert_eq!(wanted.classes().len(), classes.len(), "{name}");
        for (w, s) in wanted.classes().iter().zip(classes) {
            let turns = wanted.qdisc_at(w.id).is_none() || w.htb.same_quantum_and_prio(&s.htb);
            let same = w.id == s.id && w.htb.same_rates(&s.htb, 0) && turns;
            let told = |l: &crate::plan::LeftAlone| {
                l.object == crate::netlink::ObjectKind::Class
                    && l.device == *name
                    && l.handle == s.id
            };
            let stays = || plan.left_alone().iter().any(told) && self.is_above_held(name, s.id);
            assert!(
                same && (w.parent == s.parent || stays()),
                "{name}: {w:?} {s:?}"
            );
        }
        // And so are their leaves; nothing else hangs below our root.
        let ours = |d: &Device| -> Vec<Qdisc> {
            let below = d.qdiscs().iter();
            let below = below.filter(|q| q.parent != Handle::INGRESS && !kept.contains(&q.parent));
            below.cloned().collect()
        };
        let (wanted, seen) = (ours(&wanted), ours(seen));
        assert_eq!(wanted.len(), seen.len(), "{name}: {seen:?}");
        for (w, s) in wanted.iter().zip(&seen) {
            let same = w.handle == s.handle && w.parent == s.parent;
            let leaf = w.parent == Handle::ROOT || w.kind == s.kind;
            assert!(same && leaf, "{name}: {w:?} {s:?}");
        }
    }
}

/// A filter of the uplink's root that sends everything to a class.
fn to_class(class: Handle, number: u32) -> Filter {
    let parts = vec![U32Part::ClassId(class), U32Part::Sel(U32Sel::default())];
    Filter {
        parent: Handle::qdisc(crate::policy::host::layout::MAJOR),
        chain: 0,
        prio: 7,
        protocol: 3,
        handle: 0x8000_0800 | number & 0x7ff,
        kind: FilterKind::U32(alloc::boxed::Box::new(U32 { parts })),
    }
}

/// The class that a filter sends to.
fn target(filter: &Filter) -> Option<Handle> {
    match &filter.kind {
        FilterKind::U32(u32) => u32.classid(),
        FilterKind::Other(_) => None,
    }
}

/// Whether a filter points at a class that is not there.
fn awaited(device: &Device, class: Handle) -> bool {
    let points = |f: &Filter| target(f) == Some(class);
    device.class(class).is_none() && device.filters().iter().any(points)
}

/// Takes a qdisc off a class, with what hangs below it.
fn take(device: &mut Device, class: Handle) {
    if let Some(qdisc) = device.take_qdisc(class).filter(|q| !q.handle.is_none()) {
        device.retain(
            |q| q.parent.of_qdisc() != qdisc.handle,
            |c| c.id.of_qdisc() != qdisc.handle,
        );
    }
}

/// Any bytes as a life of a host: every step holds its invariants, and a plan mends whatever came about.
pub fn fuzz_ops(data: &[u8]) {
    let mut bytes = Draws(data.get(..data.len().min(2_048)).unwrap_or(&[]));
    let rounding = if bytes.u8() % 2 == 0 {
        crate::tc::TickRounding::Truncating
    } else {
        crate::tc::TickRounding::Ceil
    };
    let mut world = World::new(rounding, bytes.u8() % 2 == 0);
    let mut said: Vec<String> = vec![];
    while bytes.more() {
        let op = Op::draw(&mut bytes);
        said.push(format!("{op:?}"));
        world.step(&op);
    }
    let mut tail = Draws(data);
    let cuts = [tail.u8(), tail.u8(), tail.u8()].map(u16::from);
    world.converge(&cuts);
    // Whatever is planned can be said in every form.
    let plan = diff(&crate::ObservedState::new(), &world.host);
    let said = plan.explain(&world.host);
    for op in plan.ops() {
        assert!(!plan.argv(op).is_empty() && !op.inverse().is_empty());
        assert!(said.contains(&plan.shell(op)));
        assert!(plan.message(op, 1).to_bytes().len() >= 36);
    }
}
