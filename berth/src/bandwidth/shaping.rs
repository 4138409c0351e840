//! What is done to a container's devices.

use crate::config::Config;
use crate::{Answer, subnets};
use ipam_cni::{Code, Environment, Refusal};
use netshape::kernel::{Kernel as _, KernelModel, Request, apply_or_undo};
use netshape::netlink::TcMessage;
use netshape::plan::diff;
use netshape::policy::EgressPoint;
use netshape::{Capabilities, Container, DevName, Direction, Host, Netns, ObservedState};
use netshape_netlink::{Error, Link, NetlinkKernel};
use serde_json::{Value, json};
use std::future::Future;

fn io(error: &Error) -> Refusal {
    Refusal::new(Code::Io, error.to_string())
}

fn block_on<F: Future>(future: F) -> Result<F::Output, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|e| Refusal::new(Code::Io, e.to_string()))?;
    Ok(runtime.block_on(future))
}

/// A container's end on the host, the host's devices as they are, and by what an ifb of it is known.
struct Attached {
    kernel: NetlinkKernel,
    veth: String,
    state: ObservedState,
    mark: String,
}

/// Network, container and interface, as an ifb's alias says them.
fn mark(network: &str, container: &str, interface: &str) -> String {
    format!("berth-bandwidth {network} {container} {interface}")
}

impl Attached {
    /// Finds the end on the host: of the previous result's interfaces the veth whose number the container's own end names.
    async fn find(environment: &Environment, config: &Config) -> Result<Option<Self>, Refusal> {
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
        let veth = link.name.clone();
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
            mark,
        }))
    }

    async fn again(&mut self) -> Result<(), Refusal> {
        let all = self
            .kernel
            .observe(&[Netns::Host])
            .await
            .map_err(|e| io(&e))?;
        self.state = of_one(&all, &self.veth);
        Ok(())
    }

    /// The policy of this container alone.
    fn host(&self, config: &Config) -> Result<Host, Refusal> {
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

    async fn send(
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

    /// The ifb of this veth, if there is one.
    fn ifb(&self) -> Option<DevName> {
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

fn no_veth() -> Refusal {
    Refusal::new(
        Code::InvalidConfig,
        "no veth peer of container interface found on the host",
    )
    .details("the previous plugin's result must name it, and it must be there")
}

/// The directions that are shaped, with their devices as they are.
fn shaped(attached: &Attached, host: &Host) -> Vec<(Direction, DevName)> {
    let Some(slot) = host.slot(&attached.veth) else {
        return Vec::new();
    };
    let both = [Direction::Ingress, Direction::Egress];
    both.into_iter()
        .filter_map(|d| Some((d, host.device(slot, d)?)))
        .collect()
}

/// Whether the kernel is as configured; the filters of subnets are left out of what is planned, and compared apart.
fn settled(attached: &Attached, host: &Host, config: &Config) -> Result<bool, Refusal> {
    let mut model = KernelModel::from(attached.state.clone());
    let mut alike = true;
    for (direction, name) in shaped(attached, host) {
        let Some(device) = attached.state.device(&name) else {
            return Ok(false);
        };
        let ifindex = device.ifindex.unwrap_or(0);
        alike &= subnets::alike(device, &subnets::wanted(config, direction, ifindex)?);
        for message in subnets::stale(device, ifindex)? {
            let _ = model.request(&name, &message);
        }
    }
    let plan = diff(model.state(), host);
    Ok(alike && plan.is_empty() && plan.refused().is_empty() && plan.left_alone().is_empty())
}

pub(crate) fn add(environment: &Environment, config: &Config) -> Answer {
    let Some(previous) = &config.previous else {
        return Err(Refusal::new(
            Code::InvalidConfig,
            "must be called as chained plugin",
        ));
    };
    let mut result = previous.clone();
    if let Some(object) = result.as_object_mut() {
        object.insert("cniVersion".to_owned(), json!(config.version));
    }
    let ifb = block_on(added(environment, config))??;
    if let (Some(ifb), Some(interfaces)) = (ifb, result["interfaces"].as_array_mut()) {
        interfaces.push(json!({"name": ifb}));
    }
    Ok(Some(result))
}

/// Shapes; the name of the ifb, where there is one.
async fn added(environment: &Environment, config: &Config) -> Result<Option<String>, Refusal> {
    let found = Attached::find(environment, config).await?;
    let Some(mut attached) = found else {
        return match config.shapes() {
            true => Err(no_veth()),
            false => Ok(None),
        };
    };
    let host = attached.host(config)?;
    if !settled(&attached, &host, config)? {
        carry_out(&mut attached, &host, config).await?;
    }
    Ok(config
        .egress
        .and(attached.ifb())
        .map(|name| name.dev.to_string()))
}

async fn carry_out(attached: &mut Attached, host: &Host, config: &Config) -> Result<(), Refusal> {
    let devices = shaped(attached, host);
    for (_, name) in &devices {
        if let Some(device) = attached.state.device(name) {
            let messages = subnets::stale(device, device.ifindex.unwrap_or(0))?;
            attached.send(name, messages).await?;
        }
    }
    attached.again().await?;
    let needs = diff(&attached.state, host).required_devices().to_vec();
    if !needs.is_empty() {
        attached
            .kernel
            .create_ifbs(&needs)
            .await
            .map_err(|e| io(&e))?;
        attached.again().await?;
    }
    if let Some(ifb) = attached.ifb().filter(|_| config.egress.is_some()) {
        // By this DEL and GC know it once its veth is gone.
        attached
            .kernel
            .set_alias(&ifb, &attached.mark)
            .await
            .map_err(|e| io(&e))?;
    }
    let plan = diff(&attached.state, host);
    if let Some(refused) = plan.refused().first() {
        return Err(Refusal::new(Code::InvalidConfig, refused.to_string()));
    }
    if let Some(left) = plan
        .left_alone()
        .iter()
        .find(|l| l.object == netshape::netlink::ObjectKind::Qdisc)
    {
        return Err(Refusal::new(
            Code::InvalidConfig,
            format!("{}: {}", left.device, left.reason),
        ));
    }
    let done = apply_or_undo(&mut attached.kernel, &plan, &attached.state.clone()).await;
    if let Some(failure) = done.failure {
        attached
            .kernel
            .remove_ifbs(&needs)
            .await
            .map_err(|e| io(&e))?;
        return Err(io(&failure.error));
    }
    for (direction, name) in devices {
        let ifindex = attached
            .state
            .device(&name)
            .and_then(|d| d.ifindex)
            .unwrap_or(0);
        let messages = subnets::wanted(config, direction, ifindex)?;
        attached.send(&name, messages).await?;
    }
    if config.egress.is_none() {
        attached.again().await?;
        let idle: Vec<DevName> = attached.ifb().into_iter().collect();
        attached
            .kernel
            .remove_ifbs(&idle)
            .await
            .map_err(|e| io(&e))?;
    }
    Ok(())
}

pub(crate) fn check(environment: &Environment, config: &Config) -> Answer {
    block_on(async {
        let Some(attached) = Attached::find(environment, config).await? else {
            return match config.shapes() {
                true => Err(no_veth()),
                false => Ok(None),
            };
        };
        let host = attached.host(config)?;
        match settled(&attached, &host, config)? {
            true => Ok(None),
            false => Err(Refusal::new(
                Code::InvalidConfig,
                format!("{} is not shaped as configured", attached.veth),
            )
            .details(diff(&attached.state, &host).explain(&host))),
        }
    })?
}

/// Takes off whatever ADD made, whatever of it is still there.
pub(crate) fn delete(environment: &Environment, config: &Config) -> Answer {
    block_on(async {
        if let Some(mut attached) = Attached::find(environment, config).await? {
            let nobody = Host::new(None, Vec::new(), Capabilities::default());
            let nobody = nobody.map_err(|r| Refusal::new(Code::InvalidConfig, r.to_string()))?;
            let plan = diff(&attached.state, &nobody);
            let done = apply_or_undo(&mut attached.kernel, &plan, &attached.state.clone()).await;
            if let Some(failure) = done.failure {
                return Err(io(&failure.error));
            }
            let ifb: Vec<DevName> = attached.ifb().into_iter().collect();
            attached
                .kernel
                .remove_ifbs(&ifb)
                .await
                .map_err(|e| io(&e))?;
        }
        let mark = mark(&config.name, &environment.container, &environment.interface);
        remove_marked(|alias| alias == mark).await
    })?
}

pub(crate) fn collect(config: &Config) -> Answer {
    let valid: Vec<String> = config
        .attachments
        .iter()
        .map(|a| mark(&config.name, &a.container, &a.interface))
        .collect();
    let ours = format!("berth-bandwidth {} ", config.name);
    block_on(remove_marked(|alias| {
        alias.starts_with(&ours) && !valid.iter().any(|v| v == alias)
    }))?
}

/// Removes ifbs by their alias.
async fn remove_marked(is_stale: impl Fn(&str) -> bool) -> Answer {
    let kernel = NetlinkKernel::new();
    let dumps = kernel.dump(&[Netns::Host]).await.map_err(|e| io(&e))?;
    let links = dumps.iter().flat_map(|d| &d.links);
    let stale = links.filter(|l| l.alias.as_deref().is_some_and(&is_stale));
    let stale: Vec<DevName> = stale.map(|l| DevName::host(&l.name)).collect();
    kernel.remove_ifbs(&stale).await.map_err(|e| io(&e))?;
    Ok(None)
}

pub(crate) fn status() -> Answer {
    let read = block_on(NetlinkKernel::new().qdisc_counters(&Netns::Host))?;
    read.map(|_| None)
        .map_err(|e| Refusal::new(Code::NotAvailable, e.to_string()))
}
