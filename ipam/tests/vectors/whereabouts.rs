//! whereabouts: lowest free address, and its arithmetic on addresses.

use crate::{START, address, cases, items, network, prefix, same, text, whole};
use ipam::{
    Cidr, Ipam, PoolSpec, Request,
    net::{AddressRange, Family, number},
    pool::{Affinity, Order, PoolError},
};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use test_support::{Value, VectorFile};

pub(crate) fn whereabouts_allocate() {
    let mut file = VectorFile::open("whereabouts_allocate.json");
    let json = file.json().clone();
    let fields = ["input", "ip", "reserve_list_after", "error"];
    for (id, case) in cases(&json, "cases", &fields) {
        let refused = pool(&case["input"]).map(|spec| Ipam::new(1).add_pool(START, spec));
        if matches!(refused, Ok(Err(PoolError::Reserved { .. }))) {
            file.differs(&id, "a pool that holds the loopback address is refused");
        } else {
            file.case(&id, allocate(case));
        }
    }
    file.finish();
}

/// whereabouts gives out what lies strictly between the first and the last address.
fn pool(input: &Value) -> Result<PoolSpec, String> {
    let cidr = network(text(&input["ipnet"]))?;
    let inner = cidr.interior().ok_or("net mask is too short")?;
    let usable = inner.narrowed(address(&input["range_start"]), address(&input["range_end"]));
    let mut spec = PoolSpec::new("p", cidr)
        .order(Order::Lowest)
        .affinity(Affinity::Off);
    spec.quarantine = Duration::ZERO;
    spec.excluded.extend(cidr.range().outside(usable));
    for range in items(&input["exclude_ranges"]) {
        let range = text(range);
        let range = match prefix(range) {
            Some(_) => network(range)?.range(),
            None => range
                .parse::<AddressRange>()
                .map_err(|_| format!("could not parse exclude range, err: {range}"))?,
        };
        spec.excluded.push(range);
    }
    Ok(spec)
}

fn allocate(case: &Value) -> Result<(), String> {
    let outcome = try_allocate(case);
    match (&outcome, case["error"].as_str()) {
        (Ok((ip, held)), None) => {
            same("ip", ip.to_string(), text(&case["ip"]).to_owned())?;
            let want = items(&case["reserve_list_after"]).iter();
            let want = want.map(|r| {
                (
                    text(&r["ip"]).to_owned(),
                    text(&r["container_id"]).to_owned(),
                )
            });
            same("reserve list", held.clone(), want.collect())
        }
        (Err(_), Some(_)) => Ok(()),
        (Ok((ip, _)), Some(error)) => Err(format!("want the error `{error}`, got {ip}")),
        (Err(error), None) => Err(format!("want {}, got the error `{error}`", case["ip"])),
    }
}

/// The address given, and everything held afterwards as address and container.
fn try_allocate(case: &Value) -> Result<(IpAddr, BTreeSet<(String, String)>), String> {
    let input = &case["input"];
    let mut ipam = Ipam::new(1);
    ipam.add_pool(START, pool(input)?)
        .map_err(|e| e.to_string())?;
    // What is on the list may lie outside the range asked for now: that holds nothing here.
    let mut outside = BTreeSet::new();
    let list = items(&input["reserve_list"]).iter();
    for (i, entry) in list.enumerate() {
        let (owner, workload) = (owner(entry, i), workload(entry));
        let asked: Vec<IpAddr> = address(&entry["ip"]).into_iter().collect();
        let mut request = Request::new(&owner).addresses(&asked);
        request.families = families(&asked);
        if let Some(workload) = &workload {
            request = request.workload(workload).sticky(Duration::from_secs(60));
        }
        if ipam.claim(START, &request).is_err() {
            outside.insert((
                text(&entry["ip"]).to_owned(),
                text(&entry["container_id"]).to_owned(),
            ));
        }
    }
    let (owner, workload) = (owner(input, usize::MAX), workload(input));
    let mut request = Request::new(&owner);
    request.families = match network(text(&input["ipnet"]))?.family() {
        Family::V4 => ipam::claim::Families::V4,
        Family::V6 => ipam::claim::Families::V6,
    };
    if let Some(workload) = &workload {
        // The same pod and interface again: its old container's claim ends, and the address stays.
        let before = ipam
            .claims_of_workload(workload)
            .last()
            .map(|c| (c.owner().to_owned(), c.sequence()));
        if let Some((owner, sequence)) = before {
            ipam.release(START, &owner, sequence)
                .map_err(|e| e.to_string())?;
        }
        request = request.workload(workload).sticky(Duration::from_secs(60));
    }
    let grant = ipam.claim(START, &request).map_err(|e| e.to_string())?;
    ipam.check_invariants().map_err(|e| e.to_string())?;
    let held = ipam.claims().flat_map(|claim| {
        let container = claim
            .owner()
            .split('#')
            .next()
            .unwrap_or_default()
            .to_owned();
        claim
            .addresses()
            .map(move |a| (a.to_string(), container.clone()))
    });
    let held = held.chain(outside).collect();
    Ok((grant.address().ok_or("a grant without an address")?, held))
}

fn families(asked: &[IpAddr]) -> ipam::claim::Families {
    match asked.first().map(|&a| Family::of(a)) {
        Some(Family::V6) => ipam::claim::Families::V6,
        _ => ipam::claim::Families::V4,
    }
}

/// The attachment; entries of the list may share a container id.
fn owner(entry: &Value, index: usize) -> String {
    format!(
        "{}#{}#{index}",
        text(&entry["container_id"]),
        text(&entry["ifname"])
    )
}

fn workload(entry: &Value) -> Option<String> {
    let pod = text(&entry["pod_ref"]);
    (!pod.is_empty()).then(|| format!("{pod}/{}", text(&entry["ifname"])))
}

pub(crate) fn whereabouts_iphelpers() {
    let mut file = VectorFile::open("whereabouts_iphelpers.json");
    let json = file.json().clone();
    for (id, case) in cases(&json, "cases", &["func", "args", "returns"]) {
        file.case(&id, helper(case));
    }
    file.finish();
}

/// An outcome in the vectors' terms: a value, or an error where one is wanted.
fn judge(returns: &[Value], ours: Result<Value, String>) -> Result<(), String> {
    let failed = returns.get(1).is_some_and(|e| !e.is_null());
    match (ours, failed) {
        (Ok(value), false) => same("value", Some(&value), returns.first()),
        (Err(_), true) => Ok(()),
        (Ok(value), true) => Err(format!("want an error, got {value}")),
        (Err(error), false) => Err(format!("want {returns:?}, got the error `{error}`")),
    }
}

fn helper(case: &Value) -> Result<(), String> {
    let args = items(&case["args"]).to_vec();
    let returns = items(&case["returns"]).to_vec();
    let arg = |i: usize| args.get(i).cloned().unwrap_or(Value::Null);
    let ip = |i: usize| address(&arg(i)).ok_or_else(|| format!("argument {i} is no address"));
    let net = |i: usize| network(text(&arg(i)));
    let inner = |i: usize| net(i).and_then(|n| n.interior().ok_or_else(|| "too small".to_owned()));
    let addr = |a: IpAddr| Value::from(a.to_string());
    let name = text(&case["func"]);
    let ours = match name {
        "IncIP" => ip(0).map(|a| addr(moved(a, 1))),
        "DecIP" => ip(0).map(|a| addr(moved(a, u128::MAX))),
        "IPAddOffset" => ip(0).map(|a| addr(moved(a, whole(&arg(1), 0).into()))),
        "NetworkIP" => net(0).map(|n| addr(n.first())),
        "SubnetBroadcastIP" => net(0).map(|n| addr(n.last())),
        "FirstUsableIP" => inner(0).map(|r| addr(r.first())),
        "LastUsableIP" => inner(0).map(|r| addr(r.last())),
        "HasUsableIPs" => net(0).map(|n| Value::from(n.interior().is_some())),
        "CompareIPs" => ip(0).and_then(|a| Ok(Value::from(compare(a, ip(1)?)))),
        "IPGetOffset" => ip(0).and_then(|a| offset(a, ip(1)?)),
        "IsIPInRange" => ip(0).and_then(|a| {
            let range = AddressRange::new(ip(1)?, ip(2)?).map_err(|e| e.to_string())?;
            Ok(Value::from(range.contains(a)))
        }),
        "GetIPRange" => return get_range(&arg(0), address(&arg(1)), address(&arg(2)), &returns),
        "DivideRangeBySize" => net(0).and_then(|n| divide(n, text(&arg(1)))),
        other => Err(format!("no function `{other}`")),
    };
    judge(&returns, ours)
}

/// An address moved by a number modulo the family's size.
fn moved(address: IpAddr, by: u128) -> IpAddr {
    Family::of(address).address(number(address).wrapping_add(by))
}

fn compare(a: IpAddr, b: IpAddr) -> i64 {
    match number(a).cmp(&number(b)) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

fn offset(a: IpAddr, b: IpAddr) -> Result<Value, String> {
    if Family::of(a) != Family::of(b) {
        return Err("two families".into());
    }
    let difference = number(a).abs_diff(number(b));
    u64::try_from(difference)
        .map(Value::from)
        .map_err(|e| e.to_string())
}

fn get_range(
    net: &Value,
    start: Option<IpAddr>,
    end: Option<IpAddr>,
    returns: &[Value],
) -> Result<(), String> {
    let range = network(text(net)).and_then(|n| n.interior().ok_or_else(|| "too small".to_owned()));
    match (range, returns.get(2).is_some_and(|e| !e.is_null())) {
        (Ok(range), false) => {
            let range = range.narrowed(start, end);
            same(
                "start",
                range.first().to_string(),
                text(&returns[0]).to_owned(),
            )?;
            same(
                "end",
                range.last().to_string(),
                text(&returns[1]).to_owned(),
            )
        }
        (Err(_), true) => Ok(()),
        (Ok(range), true) => Err(format!("want an error, got {range}")),
        (Err(error), false) => Err(error),
    }
}

fn divide(net: Cidr, size: &str) -> Result<Value, String> {
    let length: u8 = size
        .trim_start_matches('/')
        .parse()
        .map_err(|_| "no size".to_owned())?;
    let parts: Vec<Value> = net
        .subnets(length)
        .map(|c| Value::from(c.to_string()))
        .collect();
    if parts.is_empty() {
        Err("larger than the whole".into())
    } else {
        Ok(parts.into())
    }
}
