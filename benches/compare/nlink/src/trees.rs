//! The same trees for both sides.

use crate::Failure;
use netshape::object::{Handle, QdiscKind};
use netshape::policy::{EgressPoint, Slot};
use netshape::{Capabilities, Container, DevName, Direction, Host, Rate, Shape, Tier, Uplink};
use nlink::netlink::config::NetworkConfig;
use nlink::netlink::tc::{HtbClassConfig, HtbQdiscConfig};
use nlink::{Bytes, TcHandle};

/// Weights of the three tiers.
const TIERS: [(&str, u32); 3] = [("gold", 4), ("silver", 2), ("bronze", 1)];

/// What both sides are to want.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) host: Host,
    /// The one device that counts; without it, all of the host's.
    pub(crate) uplink: Option<DevName>,
    slots: Vec<Slot>,
    direction: Direction,
}

impl Wanted {
    /// An uplink with a class and a leaf for each container.
    pub(crate) fn uplink(containers: usize) -> Result<Self, Failure> {
        let uplink = Uplink::new("up0", Rate::gbit(400), Rate::gbit(1))?.classified_by(netshape::policy::Classifier::Priority);
        let tiers: Result<Vec<Tier>, _> = TIERS.map(|(n, w)| Tier::new(n, w)).into_iter().collect();
        let mut host = Host::new(Some(uplink), tiers?, Capabilities::default())?;
        let mut slots = Vec::new();
        for i in 0..containers {
            // Powers of two in bytes: each burst takes whole microseconds.
            let guarantee = Rate::mbit(8 << (i % 3));
            let shape = Shape::new(guarantee, Rate::mbit(128))?;
            let container = Container::new(&format!("container-{i}"), &format!("veth{i}"))?;
            let container = container.with_tier(TIERS[i % 3].0);
            slots.push(host.insert(container.with_shape(Direction::Egress, shape))?);
        }
        Ok(Self {
            host,
            uplink: Some(DevName::host("up0")),
            slots,
            direction: Direction::Egress,
        })
    }

    /// A veth of its own for each container, shaped for what comes in.
    pub(crate) fn devices(containers: usize) -> Result<Self, Failure> {
        let mut host = Host::new(None, vec![], Capabilities::default())?;
        let mut slots = Vec::new();
        for i in 0..containers {
            let shape = Shape::new(Rate::ZERO, Rate::mbit(128))?;
            let container = Container::new(&format!("container-{i}"), &format!("veth{i}"))?;
            let container = container.with_egress_point(EgressPoint::Ifb, "eth0")?;
            slots.push(host.insert(container.with_shape(Direction::Ingress, shape))?);
        }
        Ok(Self {
            host,
            uplink: None,
            slots,
            direction: Direction::Ingress,
        })
    }

    /// The devices that both sides compare.
    pub(crate) fn names(&self) -> Vec<DevName> {
        match &self.uplink {
            Some(uplink) => vec![uplink.clone()],
            None => self.host.device_names(),
        }
    }

    /// One container in ten is to have another rate; how many that are.
    pub(crate) fn change(&mut self) -> usize {
        let changed = self.slots.iter().step_by(10);
        let changed = changed.map(|slot| {
            let half = Some(Rate::mbit(64));
            self.host.allocate(*slot, self.direction, half);
        });
        changed.count()
    }

    /// The same root qdiscs and classes, declared for nlink.
    pub(crate) fn config(&self) -> Result<NetworkConfig, Failure> {
        let mut config = NetworkConfig::new();
        for name in self.names() {
            let tree = self.host.tree(&name).ok_or("not shaped")?;
            let root = tree.root().ok_or("no root")?;
            let QdiscKind::Htb(htb) = root.kind else {
                return Err("the root is not HTB".into());
            };
            let major = TcHandle::major_only(root.handle.major());
            config = config.qdisc(&name.dev, |q| {
                let root = HtbQdiscConfig::new().default_class(htb.default);
                q.handle(major).spec(root)
            });
            config = config.tc(&name.dev, |mut tc| {
                for class in tree.classes() {
                    tc = tc.class(handle(class.parent), handle(class.id), class_of(&class.htb));
                }
                tc
            });
        }
        config.validate()?;
        Ok(config)
    }
}

fn handle(handle: Handle) -> TcHandle {
    TcHandle::new(handle.major(), handle.minor())
}

fn class_of(htb: &netshape::object::HtbClass) -> HtbClassConfig {
    let rate = |spec: netshape::object::RateSpec| nlink::Rate::bytes_per_sec(spec.bytes_per_second);
    let bytes = |spec: netshape::object::RateSpec, ticks| {
        Bytes::new(netshape::tc::bytes_of_ticks(spec.bytes_per_second, ticks))
    };
    HtbClassConfig::new(rate(htb.rate))
        .ceil(rate(htb.ceil))
        .burst(bytes(htb.rate, htb.buffer))
        .cburst(bytes(htb.ceil, htb.cbuffer))
        .quantum(htb.quantum)
        .prio(htb.prio)
}
