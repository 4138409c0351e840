//! The CNI plugin host-local: network configurations.

use crate::host_local::{Shown, set, shown, theirs};
use crate::{address, items, same, text};
use ipam::net::{Family, Subrange};
use std::net::IpAddr;
use test_support::Value;

/// A network configuration: its range sets, canonical, and the addresses asked for.
pub(crate) fn load_config(case: &Value) -> Result<(), String> {
    let ours = parse_config(case);
    match (ours, case["error"].as_str()) {
        (Err(_), Some(_)) => Ok(()),
        (Ok(_), Some(error)) => Err(format!("want the error `{error}`")),
        (Err(error), None) => Err(format!("got the error `{error}`")),
        (Ok((sets, requested)), None) => {
            let want = items(&case["output"]["ranges"]).iter();
            let want: Vec<Vec<Shown>> = want
                .map(|s| items(s).iter().map(theirs).collect())
                .collect();
            let sets: Vec<Vec<Shown>> =
                sets.iter().map(|s| s.iter().map(shown).collect()).collect();
            same("ranges", sets, want)?;
            let want = items(&case["output"]["requested_ips"]).iter();
            same("requested", requested, want.filter_map(address).collect())
        }
    }
}

fn parse_config(case: &Value) -> Result<(Vec<Vec<Subrange>>, Vec<IpAddr>), String> {
    let config: Value = serde_json::from_str(text(&case["stdin"])).map_err(|e| e.to_string())?;
    let net = &config["ipam"];
    let mut lists: Vec<Value> = Vec::new();
    // A subnet beside `ranges` comes first; ranges given at run time come before all.
    if net["subnet"].is_string() {
        lists.push(Value::from(vec![net.clone()]));
    }
    lists.extend(items(&net["ranges"]).to_vec());
    let at_run_time = items(&config["runtimeConfig"]["ipRanges"]).to_vec();
    lists.splice(0..0, at_run_time);
    let sets = lists
        .iter()
        .map(set)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    if sets.is_empty() {
        return Err("no ranges".into());
    }
    for (i, a) in sets.iter().enumerate() {
        let shared = |b: &Vec<Subrange>| a.iter().any(|x| b.iter().any(|y| x.overlaps(y)));
        if sets.iter().take(i).any(shared) {
            return Err("two sets overlap".into());
        }
    }
    // Before CNI 0.3.0 a result held one address of each family.
    let version: Vec<u32> = text(&config["cniVersion"])
        .split('.')
        .filter_map(|v| v.parse().ok())
        .collect();
    let of = |family| {
        sets.iter()
            .filter(|s| s[0].subnet.family() == family)
            .count()
    };
    if version.as_slice() < [0, 3].as_slice() && (of(Family::V4) > 1 || of(Family::V6) > 1) {
        return Err("more than one address per family".into());
    }
    Ok((sets, requested(&config, text(&case["cni_args"]))))
}

/// Addresses asked for: in the variable, in `args`, by the runtime; masks are dropped.
fn requested(config: &Value, cni_args: &str) -> Vec<IpAddr> {
    let variable = cni_args.split(';').filter_map(|a| a.strip_prefix("IP="));
    let lists = [
        &config["args"]["cni"]["ips"],
        &config["runtimeConfig"]["ips"],
    ];
    let listed = lists.into_iter().flat_map(|l| items(l).iter()).map(text);
    let all = variable.chain(listed);
    all.filter_map(|ip| ip.split('/').next()?.parse().ok())
        .collect()
}
