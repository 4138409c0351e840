//! The CNI plugin host-local: range sets, and the next address after the last one given.

use crate::host_local_config::load_config;
use crate::{START, address, cases, items, prefix, same, text};
use ipam::{
    Cidr, Ipam, Request,
    claim::Families,
    net::{Family, Subrange, SubrangeError},
    pool::{Affinity, Order},
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use test_support::{Value, VectorFile};

/// The fields of the file's cases, of whichever function.
const FIELDS: [&str; 18] = [
    "func",
    "id",
    "ifname",
    "range_id",
    "range_set",
    "requested_ip",
    "gateway",
    "ip",
    "input",
    "a",
    "b",
    "before",
    "after",
    "output",
    "result",
    "error",
    "stdin",
    "cni_args",
];

pub(crate) fn host_local_allocator() {
    let mut file = VectorFile::open("host_local_allocator.json");
    let json = file.json().clone();
    let mut each = |key: &str, run: &dyn Fn(&Value) -> Result<(), String>| {
        for (id, case) in cases(&json, key, &FIELDS) {
            file.case(&id, run(case));
        }
    };
    each("range_canonicalize", &|case| {
        let ours = subrange(&case["input"]).map_err(|e| e.to_string());
        outcome(
            ours.map(|r| vec![r]),
            &case["error"],
            &[case["output"].clone()],
        )
    });
    each("range_set_canonicalize", &|case| {
        let output = items(&case["output"]).to_vec();
        outcome(
            set(&case["input"]).map_err(|e| e.to_string()),
            &case["error"],
            &output,
        )
    });
    each("range_overlaps", &|case| {
        let (a, b) = (loose(&case["a"])?, loose(&case["b"])?);
        same(
            "overlaps",
            Value::from(a.overlaps(&b)),
            case["result"].clone(),
        )
    });
    each("range_set_contains", &|case| {
        let ip = address(&case["ip"]).ok_or("no address")?;
        let ours = ranges(&case["range_set"])?.iter().any(|r| r.contains(ip));
        same("contains", Value::from(ours), case["result"].clone())
    });
    each("allocator_get", &allocator_get);
    each("load_ipam_config", &load_config);
    for (id, run) in iterations(&json) {
        file.case(&id, run);
    }
    file.finish();
}

fn outcome(
    ours: Result<Vec<Subrange>, String>,
    error: &Value,
    output: &[Value],
) -> Result<(), String> {
    match (ours, error.as_str()) {
        (Err(_), Some(_)) => Ok(()),
        (Ok(ours), None) => same(
            "ranges",
            ours.iter().map(shown).collect::<Vec<_>>(),
            output.iter().map(theirs).collect(),
        ),
        (Ok(_), Some(error)) => Err(format!("want the error `{error}`")),
        (Err(error), None) => Err(format!("got the error `{error}`")),
    }
}

/// Subnet, first, last and gateway of a range.
pub(crate) type Shown = (String, String, String, String);

pub(crate) fn shown(r: &Subrange) -> Shown {
    let (first, last) = (r.range.first().to_string(), r.range.last().to_string());
    (r.subnet.to_string(), first, last, r.gateway.to_string())
}

pub(crate) fn theirs(r: &Value) -> Shown {
    let field = |key: &str| text(&r[key]).to_owned();
    (
        field("subnet"),
        field("rangeStart"),
        field("rangeEnd"),
        field("gateway"),
    )
}

fn subrange(r: &Value) -> Result<Subrange, SubrangeError> {
    let bad = || SubrangeError::Empty;
    let (net, length) = prefix(text(&r["subnet"])).ok_or_else(bad)?;
    let field = |key: &str| address(&r[key]);
    Subrange::new(
        net,
        length,
        field("rangeStart"),
        field("rangeEnd"),
        field("gateway"),
    )
}

/// A range as it stands, checked or not: some cases use what the check refuses.
fn loose(r: &Value) -> Result<Subrange, String> {
    let (net, length) = prefix(text(&r["subnet"])).ok_or("no subnet")?;
    let subnet = Cidr::containing(net, length).map_err(|e| e.to_string())?;
    let first = address(&r["rangeStart"]).unwrap_or(subnet.first());
    let last = address(&r["rangeEnd"]).unwrap_or(subnet.last());
    let range = ipam::net::AddressRange::new(first, last).map_err(|e| e.to_string())?;
    // Without a gateway nothing is kept back for it: the unspecified address lies in no range.
    let none = || Family::of(first).address(0);
    Ok(Subrange {
        subnet,
        range,
        gateway: address(&r["gateway"]).unwrap_or_else(none),
    })
}

fn ranges(list: &Value) -> Result<Vec<Subrange>, String> {
    items(list).iter().map(loose).collect()
}

pub(crate) fn set(list: &Value) -> Result<Vec<Subrange>, SubrangeError> {
    let set: Vec<Subrange> = items(list).iter().map(subrange).collect::<Result<_, _>>()?;
    Subrange::check_set(&set)?;
    Ok(set)
}

/// A range set as pools in its order: one per subnet, each giving out the ranges of that subnet.
fn pools(ipam: &mut Ipam, set: &[Subrange]) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    let mut specs: BTreeMap<String, ipam::PoolSpec> = BTreeMap::new();
    for part in set {
        let name = part.subnet.to_string();
        if let Some(spec) = specs.get_mut(&name) {
            // Another range of the subnet: what either gives out is not excluded.
            let other: Vec<_> = part.subnet.range().outside(part.range).collect();
            let both = spec
                .excluded
                .iter()
                .flat_map(|a| other.iter().filter_map(|b| a.intersection(*b)));
            spec.excluded = both.collect();
            continue;
        }
        let spec = part
            .pool(&*name)
            .order(Order::RoundRobin)
            .affinity(Affinity::Off);
        specs.insert(name.clone(), spec.quarantine(Duration::ZERO));
        names.push(name);
    }
    for (_, spec) in specs {
        ipam.add_pool(START, spec).map_err(|e| e.to_string())?;
    }
    Ok(names)
}

fn families(set: &[Subrange]) -> Families {
    match set.first().map(|r| r.subnet.family()) {
        Some(Family::V6) => Families::V6,
        _ => Families::V4,
    }
}

fn allocator_get(case: &Value) -> Result<(), String> {
    let set = ranges(&case["range_set"])?;
    let mut ipam = Ipam::new(1);
    let names = pools(&mut ipam, &set)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = case["before"]["allocated"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (ip, id) in &before {
        let (asked, owner) = (
            [ip.parse::<IpAddr>().map_err(|e| e.to_string())?],
            format!("{}@{ip}", text(id)),
        );
        let request = Request::new(&owner)
            .families(families(&set))
            .pools(&names)
            .addresses(&asked);
        ipam.claim(START, &request)
            .map_err(|e| format!("before: {e}"))?;
    }
    let owner = format!("{}@new", text(&case["id"]));
    let requested: Vec<IpAddr> = address(&case["requested_ip"]).into_iter().collect();
    let range_id = text(&case["range_id"]);
    let last = address(&case["before"]["last_reserved"][range_id]);
    let mut request = Request::new(&owner)
        .families(families(&set))
        .pools(&names)
        .addresses(&requested);
    // A last address outside all ranges says nothing.
    request.after = last.filter(|&l| set.iter().any(|r| r.contains(l)));
    let ours = ipam.claim(START, &request);
    ipam.check_invariants().map_err(|e| e.to_string())?;
    let given = match (&ours, case["error"].as_str()) {
        (Ok(grant), None) => {
            let lease = grant.leases.first().ok_or("no lease")?;
            let want = &case["result"];
            same(
                "address",
                format!("{}/{}", lease.address, lease.prefix_length),
                text(&want["address"]).to_owned(),
            )?;
            same("gateway", lease.gateway, address(&want["gateway"]))?;
            Some(lease.address)
        }
        (Err(_), Some(_)) => None,
        (Ok(grant), Some(error)) => return Err(format!("want the error `{error}`, got {grant:?}")),
        (Err(error), None) => return Err(error.to_string()),
    };
    let held = ipam.claims().flat_map(|c| {
        let id = c.owner().split('@').next().unwrap_or_default().to_owned();
        c.addresses()
            .map(move |a| (a.to_string(), Value::from(id.clone())))
    });
    let held: serde_json::Map<String, Value> = held.collect();
    same(
        "allocated",
        Value::from(held),
        case["after"]["allocated"].clone(),
    )?;
    let after = address(&case["after"]["last_reserved"][range_id]);
    same("last reserved", given.or(last), after)
}

/// Consecutive calls of one iterator, each entry judged: after an address comes the next one of the set
/// round robin; nothing comes when the next would be the first again.
fn iterations(json: &Value) -> Vec<(String, Result<(), String>)> {
    let mut out = Vec::new();
    // Of the iteration under way: its set, its first address, and the last.
    let mut under_way: Option<(Value, IpAddr, IpAddr)> = None;
    for (id, case) in cases(json, "range_iter_next", &FIELDS) {
        let result = prefix(text(&case["result"]));
        let judged = iteration(case, result, under_way.as_ref());
        under_way = match (result, under_way) {
            (None, _) => None,
            (Some((ip, _)), Some((set, first, last))) if follows(&set, case, last, ip) => {
                Some((set, first, ip))
            }
            (Some((ip, _)), _) => Some((case["range_set"].clone(), ip, ip)),
        };
        out.push((id, judged));
    }
    out
}

/// Whether `ip` is what comes after `last` in the same set.
fn follows(set: &Value, case: &Value, last: IpAddr, ip: IpAddr) -> bool {
    *set == case["range_set"] && next(set, last) == Ok(Some(ip))
}

fn iteration(
    case: &Value,
    result: Option<(IpAddr, u8)>,
    under_way: Option<&(Value, IpAddr, IpAddr)>,
) -> Result<(), String> {
    let Some((ip, length)) = result else {
        // The end: whoever was under way has come round; nobody under way had nothing to give.
        return match under_way {
            Some((set, first, last)) if *set == case["range_set"] => {
                same("round", next(set, *last)?, Some(*first))
            }
            _ => Ok(()),
        };
    };
    // Any address may begin an iteration; it is one that the set gives out, with its subnet's data.
    let set = ranges(&case["range_set"])?;
    let mut ipam = Ipam::new(1);
    let names = pools(&mut ipam, &set)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let asked = [ip];
    let request = Request::new("c")
        .families(families(&set))
        .pools(&names)
        .addresses(&asked);
    let grant = ipam.claim(START, &request).map_err(|e| e.to_string())?;
    let lease = grant.leases.first().ok_or("no lease")?;
    same("length", lease.prefix_length, length)?;
    let gateway = lease.gateway.filter(|g| !g.is_unspecified());
    same("gateway", gateway, address(&case["gateway"]))
}

/// The address after another, on an empty allocator.
fn next(set: &Value, last: IpAddr) -> Result<Option<IpAddr>, String> {
    let set = ranges(set)?;
    let mut ipam = Ipam::new(1);
    let names = pools(&mut ipam, &set)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let request = Request::new("c")
        .families(families(&set))
        .pools(&names)
        .after(last);
    Ok(ipam
        .claim(START, &request)
        .map_err(|e| e.to_string())?
        .address())
}
