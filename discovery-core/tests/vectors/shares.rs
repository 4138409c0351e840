//! Who carries how much: priorities, localities, usable endpoints, anti-entropy's scale.

use discovery_core::{
    Conditions, Failover, Locality, Policy, PriorityHealth, PriorityRules, Seen, locality_priority,
    priority_loads, scale_factor, usable,
};
use doors::Value;

use super::{asserts_nothing, each, integer, integers, list, same, whole};

fn rules(case: &Value) -> PriorityRules {
    let percent = |key, default| integer(case, key).map_or(default, |p| p as u32);
    PriorityRules {
        overprovisioning_percent: percent("overprovisioning_factor", 140),
        panic_percent: percent("panic_threshold_percent", 50),
    }
}

/// Compares what the case asserts; absent fields were not asserted.
fn compare(case: &Value, priorities: &[PriorityHealth]) -> Result<(), String> {
    let loads = priority_loads(priorities, &rules(case));
    if ["healthy_load", "degraded_load", "panic"]
        .iter()
        .all(|key| case.get(key).is_none())
    {
        return asserts_nothing();
    }
    for (key, got) in [
        ("healthy_load", &loads.healthy),
        ("degraded_load", &loads.degraded),
    ] {
        if case.get(key).is_some() {
            let got: Vec<u64> = got.iter().map(|&l| u64::from(l)).collect();
            same(key, &integers(case, key), &got)?;
        }
    }
    if case.get("panic").is_some() {
        let want: Vec<bool> = list(case, "panic")
            .iter()
            .filter_map(Value::as_bool)
            .collect();
        same("panic", &want, &loads.panic)?;
    }
    Ok(())
}

#[test]
fn envoy_priority_load() {
    each("envoy_priority_load.json", |case, _| {
        let count = |p: &Value, key| integer(p, key).unwrap_or(0);
        let priority = |p: &Value| PriorityHealth {
            hosts: count(p, "hosts"),
            healthy: count(p, "healthy"),
            degraded: count(p, "degraded"),
            excluded: count(p, "excluded"),
        };
        let priorities: Vec<_> = list(case, "priorities").iter().map(priority).collect();
        compare(case, &priorities)
    });
}

#[test]
fn envoy_weighted_priority_health() {
    each("envoy_weighted_priority_health.json", |case, _| {
        let mut priorities = Vec::new();
        for priority in list(case, "priorities") {
            let mut health = PriorityHealth::default();
            for host in list(priority, "hosts") {
                let weight = host.get(0).and_then(whole).ok_or("a host without weight")?;
                health.hosts += weight;
                match host.get(1).and_then(Value::as_str) {
                    Some("H") => health.healthy += weight,
                    Some("D") => health.degraded += weight,
                    Some("X") => health.excluded += weight,
                    Some("U") => {}
                    other => return Err(format!("a host that is {other:?}")),
                }
            }
            priorities.push(health);
        }
        compare(case, &priorities)
    });
}

#[test]
fn istio_locality_priority() {
    each("istio_locality_priority.json", |case, _| {
        let text =
            |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let (a, b) = (text(case, "a"), text(case, "b"));
        let pairs: Vec<(String, String)> = match case.get("failover") {
            Some(Value::Array(all)) => all
                .iter()
                .map(|f| (text(f, "from"), text(f, "to")))
                .collect(),
            Some(f @ Value::Object(_)) => vec![(text(f, "from"), text(f, "to"))],
            _ => Vec::new(),
        };
        let failovers: Vec<_> = pairs
            .iter()
            .map(|(from, to)| Failover { from, to })
            .collect();
        let got = locality_priority(Locality::parse(&a), Locality::parse(&b), &failovers);
        same("priority", &integer(case, "priority")?, &u64::from(got))
    });
}

#[test]
fn k8s_categorize_endpoints_rules() {
    each("k8s_categorize_endpoints_rules.json", |case, _| {
        let flag = |e: &Value, key| e.get(key).and_then(Value::as_bool).unwrap_or(false);
        let hints: Vec<Vec<&str>> = list(case, "endpoints")
            .iter()
            .map(|e| list(e, "hints").iter().filter_map(Value::as_str).collect())
            .collect();
        let seen = |(e, hints): (&Value, &'static [&'static str])| Seen {
            conditions: Conditions {
                ready: flag(e, "ready"),
                serving: flag(e, "serving"),
                terminating: flag(e, "terminating"),
            },
            local: flag(e, "local"),
            hints,
        };
        let mut endpoints: Vec<Seen<'_>> = list(case, "endpoints")
            .iter()
            .map(|e| seen((e, &[])))
            .collect();
        for (endpoint, hints) in endpoints.iter_mut().zip(&hints) {
            endpoint.hints = hints;
        }
        let policy = match case.get("policy").and_then(Value::as_str) {
            Some(p) if p.eq_ignore_ascii_case("local") => Policy::Local,
            _ => Policy::Cluster,
        };
        let zone = case.get("zone").and_then(Value::as_str);
        let got: Vec<u64> = usable(&endpoints, policy, zone)
            .iter()
            .map(|&i| i as u64)
            .collect();
        if case.get("usable").is_none() {
            return asserts_nothing();
        }
        same("usable", &integers(case, "usable"), &got)
    });
}

#[test]
fn consul_ae_scale() {
    each("consul_ae_scale.json", |case, _| {
        let nodes = u32::try_from(integer(case, "nodes")?).map_err(|e| e.to_string())?;
        same(
            "factor",
            &integer(case, "factor")?,
            &u64::from(scale_factor(nodes)),
        )
    });
}
