//! What is done to a container's devices.

use crate::attached::{Attached, io, mark, told};
use crate::call::Answer;
use crate::config::Config;
use crate::subnets;
use berth::shape::BANDWIDTH_MARK;
use ipam_cni::{Code, Environment, Refusal};
use netshape::kernel::{Kernel as _, KernelModel, apply_or_undo};
use netshape::plan::diff;
use netshape::{DevName, Direction, Host, Netns};
use netshape_netlink::NetlinkKernel;
use serde_json::json;
use std::future::Future;

fn block_on<F: Future>(future: F) -> Result<F::Output, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|e| Refusal::new(Code::Io, e.to_string()))?;
    Ok(runtime.block_on(future))
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
    if attached.is_of_a_policy() {
        return match config.shapes() {
            true => Err(attached.of_a_policy()),
            false => Ok(None),
        };
    }
    let host = attached.host(config)?;
    if !settled(&attached, &host, config)? {
        // Marked before anything is there that a policy could take for its own.
        let mark = attached.mark.clone();
        attached.write_alias(&mark).await?;
        carry_out(&mut attached, &host, config).await?;
    }
    if !config.shapes() {
        attached.write_alias("").await?;
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
        if attached.is_of_a_policy() {
            return match config.shapes() {
                true => Err(attached.of_a_policy()),
                false => Ok(None),
            };
        }
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
        if let Some(mut attached) = Attached::find(environment, config).await?
            && !attached.is_of_a_policy()
        {
            attached.take_off().await?;
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
    let ours = format!("{BANDWIDTH_MARK}{} ", told(&config.name));
    block_on(remove_marked(|alias| {
        alias.starts_with(&ours) && !valid.iter().any(|v| v == alias)
    }))?
}

/// Removes ifbs by their alias.
async fn remove_marked(is_stale: impl Fn(&str) -> bool) -> Answer {
    let kernel = NetlinkKernel::new();
    let dumps = kernel.dump(&[Netns::Host]).await.map_err(|e| io(&e))?;
    let links = dumps.iter().flat_map(|d| &d.links);
    let ifbs = links.filter(|l| l.kind.as_deref() == Some("ifb"));
    let stale = ifbs.filter(|l| l.alias.as_deref().is_some_and(&is_stale));
    let stale: Vec<DevName> = stale.map(|l| DevName::host(&l.name)).collect();
    kernel.remove_ifbs(&stale).await.map_err(|e| io(&e))?;
    Ok(None)
}

pub(crate) fn status() -> Answer {
    let read = block_on(NetlinkKernel::new().qdisc_counters(&Netns::Host))?;
    read.map(|_| None)
        .map_err(|e| Refusal::new(Code::NotAvailable, e.to_string()))
}
