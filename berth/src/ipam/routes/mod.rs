//! `berth ipam routes`: where packets go, as a list or as programs take it.

mod observed;
mod output;

use super::args::{FormatArg, PartArg, RoutesArgs, TunnelArg, WrapArg};
use super::session::Session;
use crate::answer::{Answer, Failure};
use ipam::{
    Ipam,
    routes::{
        self, Encapsulation, EntryPlan, FrrMarks, HostTable, IpMarks, Node, RenderError,
        RouteDelta, RoutePlan, RoutePolicy, TableError, TableOptions, Tunnel, TunnelDevice, Wrap,
        encapsulation,
    },
};
use observed::Observed;
use serde_json::{Value, json};

pub(super) fn routes(
    session: &Session,
    store: Option<&str>,
    args: &RoutesArgs,
) -> Result<Answer, Failure> {
    let ipam = session.ipam();
    if let Some(host) = &args.host
        && ipam.host_settings(host).is_none()
    {
        let unknown = format!(
            "nothing is known of `{host}`: `berth ipam host set {host} --address IP/LEN` makes it known"
        );
        return Err(session.perhaps_damaged(Failure::no("unknown_host", unknown, "--host")));
    }
    match (&args.host, args.format) {
        (Some(host), Some(format)) => {
            let (text, json) = rendered(session, args, host, format)?;
            written(store, args, text, json)
        }
        _ => listed(ipam, args),
    }
}

fn policy(args: &RoutesArgs) -> RoutePolicy {
    RoutePolicy {
        wrap: match args.wrap {
            WrapArg::Never => Wrap::Never,
            WrapArg::CrossSubnet => Wrap::CrossSubnet,
            WrapArg::Always => Wrap::Always,
        },
        tunnel: tunnel(args),
        gateways_know: args.gateways_know,
    }
}

fn tunnel(args: &RoutesArgs) -> Tunnel {
    match args.tunnel {
        TunnelArg::Ipip => Tunnel::Ipip,
        TunnelArg::Vxlan => Tunnel::Vxlan,
    }
}

/// What a program takes that carries the routes out.
fn rendered(
    session: &Session,
    args: &RoutesArgs,
    host: &str,
    format: FormatArg,
) -> Result<(String, Value), Failure> {
    if let Some(first) = session.rejected().first() {
        // What a damaged record tells of would be withdrawn.
        let message = format!("{first}; routes are not rendered until it is repaired");
        return Err(session.damaged(message));
    }
    let observed = match &args.observed {
        Some(path) if format == FormatArg::Frr => Observed::of_frr(path, args.as_number)?,
        Some(path) => Observed::of_kernel(path, args)?,
        None => Observed::default(),
    };
    let table = table(session.ipam(), args, host, format)?;
    let (text, plan) = match format {
        FormatArg::Bird => (bird(args, host, &table)?, RoutePlan::default()),
        FormatArg::Frr => frr(args, host, &table, &observed)?,
        FormatArg::Ip => ip(args, host, &table, &observed),
        FormatArg::Fdb => {
            let entries =
                EntryPlan::forwarding(&args.tunnel_device, &observed.forwarding, &table.wrapped);
            (routes::forwarding(host, &entries), RoutePlan::default())
        }
        FormatArg::Link => (link(session.ipam(), args, host)?, RoutePlan::default()),
    };
    for left in &plan.left_alone {
        eprintln!(
            "berth: left alone: {} is another's route",
            left.route.prefix
        );
    }
    let json = json!({
        "host": host, "format": name(format), "text": text, "left_alone": plan.left_alone,
    });
    Ok((text, json))
}

/// To the file that is named, or as the answer.
fn written(
    store: Option<&str>,
    args: &RoutesArgs,
    text: String,
    mut json: Value,
) -> Result<Answer, Failure> {
    let Some(path) = &args.out else {
        return Ok(Answer::done(text, json));
    };
    let changed = output::write(path, args.observed.as_deref(), store, &text)?;
    json["changed"] = changed.into();
    let what = if changed { "written" } else { "as it was" };
    Ok(Answer::done(format!("{}: {what}\n", path.display()), json))
}

fn name(format: FormatArg) -> &'static str {
    match format {
        FormatArg::Bird => "bird",
        FormatArg::Frr => "frr",
        FormatArg::Ip => "ip",
        FormatArg::Fdb => "fdb",
        FormatArg::Link => "link",
    }
}

/// The parts of the host's table that are asked for. For its own prefixes alone, nothing need be known of where hosts are.
fn table(
    ipam: &Ipam,
    args: &RoutesArgs,
    host: &str,
    format: FormatArg,
) -> Result<HostTable, Failure> {
    let refused = |error: TableError| match error {
        TableError::Bridge { .. } => Failure::input(error.to_string(), "--bridges"),
        TableError::NoAddress { .. } => Failure::no(
            "no_address",
            format!("{error}: `berth ipam host set HOST --address IP/LEN` tells it"),
            "--part",
        ),
        TableError::NoGateway { .. } => Failure::no("no_gateway", error.to_string(), "--gateway"),
        _ => Failure::no("undeliverable", error.to_string(), "--wrap"),
    };
    let own = |host| ipam.own_routes(host, args.bridges);
    if format == FormatArg::Link {
        return Ok(HostTable::default());
    }
    if part(args, format) == PartArg::Own {
        let own = own(host).map_err(refused)?;
        return Ok(HostTable {
            own,
            ..HostTable::default()
        });
    }
    let options = TableOptions {
        policy: policy(args),
        tunnel: args.tunnel_device.clone(),
        gateways: args.gateway.clone(),
        bridges: args.bridges,
    };
    let mut table = ipam.host_table(host, &options).map_err(refused)?;
    if part(args, format) == PartArg::Peers {
        table.own.clear();
    }
    Ok(table)
}

fn part(args: &RoutesArgs, format: FormatArg) -> PartArg {
    args.part.unwrap_or(match format {
        FormatArg::Bird | FormatArg::Frr => PartArg::Own,
        FormatArg::Ip | FormatArg::Fdb | FormatArg::Link => PartArg::All,
    })
}

fn unrenderable(error: &RenderError) -> Failure {
    Failure::no("undeliverable", error.to_string(), "--format")
}

fn bird(args: &RoutesArgs, host: &str, table: &HostTable) -> Result<String, Failure> {
    let part = part(args, FormatArg::Bird);
    let own = (part != PartArg::Peers).then_some(&*table.own);
    let peers = (part != PartArg::Own).then_some(&*table.peers);
    routes::bird(host, own, peers).map_err(|e| unrenderable(&e))
}

fn frr(
    args: &RoutesArgs,
    host: &str,
    table: &HostTable,
    observed: &Observed,
) -> Result<(String, RoutePlan), Failure> {
    /// The distance of a static route to which none is given.
    const DISTANCE: u32 = 1;
    let (tag, wanted) = (args.protocol.into(), [&*table.own, &*table.peers].concat());
    let plan = RoutePlan::between(&observed.routes, &wanted, tag, DISTANCE);
    let mut networks = RouteDelta::default();
    let as_number = args.as_number.unwrap_or_default();
    if args.as_number.is_some() {
        // What another announces already stays announced, and another's.
        let others = &observed.networks_of_others;
        let own = table.own.iter().map(|route| route.prefix);
        let wanted: Vec<_> = own.filter(|prefix| !others.contains(prefix)).collect();
        networks = RouteDelta::between(&observed.networks, &wanted);
    }
    let marks = FrrMarks { as_number, tag };
    let text = routes::frr(host, &plan, &networks, marks).map_err(|e| unrenderable(&e))?;
    Ok((text, plan))
}

fn ip(
    args: &RoutesArgs,
    host: &str,
    table: &HostTable,
    observed: &Observed,
) -> (String, RoutePlan) {
    let wanted = [&*table.own, &*table.peers].concat();
    let (mark, metric) = (args.protocol.into(), args.metric);
    let plan = RoutePlan::between(&observed.routes, &wanted, mark, metric);
    let neighbours =
        EntryPlan::neighbours(&args.tunnel_device, &observed.neighbours, &table.wrapped);
    let marks = IpMarks {
        protocol: args.protocol,
        metric,
    };
    let text = routes::ip_batch(host, &plan, &neighbours, marks);
    (text, plan)
}

fn link(ipam: &Ipam, args: &RoutesArgs, host: &str) -> Result<String, Failure> {
    let Some(node) = node(ipam, host) else {
        let message = format!(
            "`{host}` has no address: `berth ipam host set {host} --address IP/LEN` tells it"
        );
        return Err(Failure::no("no_address", message, "--host"));
    };
    if tunnel(args) == Tunnel::Ipip && node.address.is_ipv6() {
        let message = format!("IPIP is IPv4 in IPv4, and `{host}` has {}", node.address);
        return Err(Failure::no("undeliverable", message, "--tunnel"));
    }
    let device = TunnelDevice {
        name: args.tunnel_device.clone(),
        kind: tunnel(args),
        local: node.address,
        mtu: args.mtu,
        vni: args.vni,
    };
    Ok(routes::link(host, &device))
}

/// Prefixes with their hosts, for people and scripts.
fn listed(ipam: &Ipam, args: &RoutesArgs) -> Result<Answer, Failure> {
    let policy = policy(args);
    let from = args.host.as_deref().and_then(|h| node(ipam, h));
    let mut routes = Vec::new();
    let mut text = String::new();
    for host in ipam.hosts().filter(|h| args.host.as_deref() != Some(h)) {
        let to = node(ipam, host);
        for prefix in ipam.routes(host) {
            let across = match (&from, &to) {
                (Some(from), Some(to)) => encapsulation(from, to, prefix.family(), policy)
                    .map_err(|e| Failure::no("undeliverable", e.to_string(), "--wrap"))?,
                // Without the hosts' addresses there is nothing to choose by.
                _ => Encapsulation::None,
            };
            let via = to.map_or_else(|| host.to_owned(), |n| n.address.to_string());
            text += &format!("{prefix}  {}  via {via}\n", across.name());
            routes.push(json!({
                "prefix": prefix, "encapsulation": across.name(), "via": via, "of": host,
            }));
        }
    }
    let text = if text.is_empty() {
        "no routes\n".into()
    } else {
        text
    };
    let host = args.host.as_deref().unwrap_or_default();
    Ok(Answer::done(text, json!({"host": host, "routes": routes})))
}

fn node<'a>(ipam: &'a Ipam, name: &'a str) -> Option<Node<'a>> {
    let settings = ipam.host_settings(name)?;
    Some(Node {
        name,
        address: settings.address?,
        subnet: settings.subnet?,
    })
}
