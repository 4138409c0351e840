//! A container's end on the host: found, looked at, told whose it is.

use crate::config::Config;
use crate::subnets;
use berth::shape::BANDWIDTH_MARK;
use ipam_cni::{Code, Environment, Refusal};
use netshape::kernel::{Kernel as _, Request, apply_or_undo};
use netshape::netlink::TcMessage;
use netshape::plan::diff;
use netshape::policy::EgressPoint;
use netshape::{Capabilities, Container, DevName, Direction, Host, Netns, ObservedState};
use netshape_netlink::{Error, Link, NetlinkKernel};
use serde_json::Value;

pub(crate) fn io(error: &Error) -> Refusal {
    Refusal::new(Code::Io, error.to_string())
}

/// A container's end on the host, the host's devices as they are, and by what an ifb of it is known.
pub(crate) struct Attached {
    pub(crate) kernel: NetlinkKernel,
    pub(crate) veth: String,
    /// What somebody wrote on it.
    alias: Option<String>,
    pub(crate) state: ObservedState,
    pub(crate) mark: String,
}

/// Network, container and interface, as the alias of the devices says them.
pub(crate) fn mark(network: &str, container: &str, interface: &str) -> String {
    let [network, container] = [network, container].map(told);
    format!("{BANDWIDTH_MARK}{network} {container} {interface}")
}

/// Longest name that an alias says as it is: an alias has 255 bytes (`IFALIASZ` less its end).
const TOLD: usize = 100;

/// A name, or what tells a long one from others (FNV-1a, which is the same in every process). No name has a `#`.
pub(crate) fn told(name: &str) -> String {
    if name.len() <= TOLD {
        return name.to_owned();
    }
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let hash = name.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("#{hash:016x}")
}

impl Attached {
    /// Finds the end on the host: of the previous result's interfaces the veth whose number the container's own end names.
    pub(crate) async fn find(
        environment: &Environment,
        config: &Config,
    ) -> Result<Option<Self>, Refusal> {
        let kernel = NetlinkKernel::new();
        let inside = namespace(&environment.namespace);
        let mut wanted = vec![Netns::Host];
        wanted.extend(inside.clone());
        let dumps = kernel.dump(&wanted).await.map_err(|e| io(&e))?;
        let links = |netns: &Netns| -> Vec<Link> {
            let found = dumps.iter().find(|d| d.netns == *netns);
            found.map(|d| d.links.clone()).unwrap_or_default()
        };
        let host = links(&Netns::Host);
        let inside = inside.map(|netns| links(&netns)).unwrap_or_default();
        let own = inside.iter().find(|l| l.name == environment.interface);
        let peer = own.and_then(|l| l.peer);
        let named = named(config.previous.as_ref());
        let veth = |l: &&Link| l.kind.as_deref() == Some("veth");
        let by_number = host.iter().filter(veth).find(|l| Some(l.ifindex) == peer);
        let mut by_name = host
            .iter()
            .filter(veth)
            .filter(|l| named.contains(&&*l.name));
        let Some(link) = by_number.or_else(|| by_name.next()) else {
            return Ok(None);
        };
        let (veth, alias) = (link.name.clone(), link.alias.clone());
        let mut all = ObservedState::new();
        dumps
            .into_iter()
            .filter(|d| d.netns == Netns::Host)
            .for_each(|d| d.put_into(&mut all));
        let mark = mark(&config.name, &environment.container, &environment.interface);
        Ok(Some(Self {
            kernel,
            state: of_one(&all, &veth),
            veth,
            alias,
            mark,
        }))
    }

    /// Whether it is shaped by a policy of `berth shape`, which has the same numbers and marks nothing.
    pub(crate) fn is_of_a_policy(&self) -> bool {
        let shaped = |(_, device): (_, &netshape::Device)| {
            device.root().is_some_and(|r| r.handle == subnets::ROOT)
        };
        self.alias.is_none() && self.state.devices().any(shaped)
    }

    pub(crate) fn of_a_policy(&self) -> Refusal {
        Refusal::new(
            Code::InvalidConfig,
            format!("{} is shaped by a policy of `berth shape`", self.veth),
        )
        .details("a veth is shaped by that or by this plugin: take it out of the policy, or the plugin out of the chain")
    }

    /// Writes on the host's end whose it is, or nothing any more. What somebody else wrote there stays.
    pub(crate) async fn write_alias(&mut self, alias: &str) -> Result<(), Refusal> {
        let other = |found: &String| !found.starts_with(BANDWIDTH_MARK);
        if self.alias.as_ref().is_some_and(other) || self.alias.as_deref().unwrap_or("") == alias {
            return Ok(());
        }
        let name = DevName::host(&self.veth);
        let set = self.kernel.set_alias(&name, alias).await;
        set.map_err(|e| io(&e))?;
        self.alias = Some(alias.to_owned()).filter(|a| !a.is_empty());
        Ok(())
    }

    pub(crate) async fn again(&mut self) -> Result<(), Refusal> {
        let all = self
            .kernel
            .observe(&[Netns::Host])
            .await
            .map_err(|e| io(&e))?;
        self.state = of_one(&all, &self.veth);
        Ok(())
    }

    /// The policy of this container alone.
    pub(crate) fn host(&self, config: &Config) -> Result<Host, Refusal> {
        let refused = |r: netshape::Refusal| Refusal::new(Code::InvalidConfig, r.to_string());
        let mut host = Host::new(None, Vec::new(), Capabilities::default()).map_err(refused)?;
        let mut container = Container::new(&self.veth, &self.veth).map_err(refused)?;
        container = container
            .with_egress_point(EgressPoint::Ifb, "eth0")
            .map_err(refused)?;
        for (direction, shape) in [
            (Direction::Ingress, config.ingress),
            (Direction::Egress, config.egress),
        ] {
            if let Some(shape) = shape {
                container = container.with_shape(direction, shape);
            }
        }
        host.insert(container).map_err(refused)?;
        Ok(host)
    }

    pub(crate) async fn send(
        &mut self,
        device: &DevName,
        messages: Vec<TcMessage<'static>>,
    ) -> Result<(), Refusal> {
        let requests: Vec<Request> = messages
            .into_iter()
            .map(|m| Request::new(device.clone(), m))
            .collect();
        let done = self.kernel.apply(&requests).await;
        done.error.map_or(Ok(()), |e| Err(io(&e)))
    }

    /// Takes off whatever ADD made.
    pub(crate) async fn take_off(&mut self) -> Result<(), Refusal> {
        let nobody = Host::new(None, Vec::new(), Capabilities::default());
        let nobody = nobody.map_err(|r| Refusal::new(Code::InvalidConfig, r.to_string()))?;
        let plan = diff(&self.state, &nobody);
        let done = apply_or_undo(&mut self.kernel, &plan, &self.state.clone()).await;
        if let Some(failure) = done.failure {
            return Err(io(&failure.error));
        }
        let ifb: Vec<DevName> = self.ifb().into_iter().collect();
        self.kernel.remove_ifbs(&ifb).await.map_err(|e| io(&e))?;
        self.write_alias("").await
    }

    /// The ifb of this veth, if there is one.
    pub(crate) fn ifb(&self) -> Option<DevName> {
        self.state
            .devices()
            .map(|(name, _)| name)
            .find(|name| *name.dev != *self.veth)
            .cloned()
    }
}

/// What of the host is about one veth: itself and its ifb.
fn of_one(all: &ObservedState, veth: &str) -> ObservedState {
    let ifb = Container::new(veth, veth).ok().and_then(|c| c.ifb());
    let mine = |name: &DevName| {
        name.netns == Netns::Host && (*name.dev == *veth || Some(name) == ifb.as_ref())
    };
    all.devices()
        .filter(|(name, _)| mine(name))
        .map(|(name, device)| (name.clone(), device.clone()))
        .collect()
}

/// How netshape calls the namespace of a path; nothing for one that it can't.
fn namespace(path: &str) -> Option<Netns> {
    let named = path
        .strip_prefix("/var/run/netns/")
        .or_else(|| path.strip_prefix("/run/netns/"));
    if let Some(name) = named {
        return format!("netns:{name}").parse().ok();
    }
    let pid = path.strip_prefix("/proc/")?.strip_suffix("/ns/net")?;
    pid.parse().ok().filter(|pid| *pid != 0).map(Netns::Pid)
}

/// The interfaces of a previous result that are on the host.
fn named(previous: Option<&Value>) -> Vec<&str> {
    let interfaces = previous.and_then(|p| p["interfaces"].as_array());
    let on_host = |i: &&Value| i["sandbox"].as_str().unwrap_or_default().is_empty();
    let interfaces = interfaces.map(Vec::as_slice).unwrap_or_default().iter();
    interfaces
        .filter(on_host)
        .filter_map(|i| i["name"].as_str())
        .collect()
}
