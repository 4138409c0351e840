//! `kube_scheduler_scores.json`: each node's score, or the weights refused.

use super::{cases, named, optional_list, same};
use scheduler_core::kube::{Container, Pod, Quantities, Scorer, Strategy, Weight};
use test_support::{Value, VectorFile, list, only, text};

pub(crate) fn kube_scheduler_scores() {
    let mut file = VectorFile::open("kube_scheduler_scores.json");
    for (index, case) in cases(&file).iter().enumerate() {
        let id = format!("{} {}", named(index, case), case["strategy"]);
        file.case(&id, run(case));
    }
    file.finish();
}

/// The fields of a case; where a re-implementation agrees, and the line, is for people.
const FIELDS: [&str; 9] = [
    "name",
    "strategy",
    "resources",
    "pod",
    "existing_pods",
    "nodes",
    "expect",
    "source_line",
    "reimplementation_agrees",
];

fn run(case: &Value) -> Result<(), String> {
    only(case, &FIELDS)?;
    let strategy = match text(case, "strategy")? {
        "LeastAllocated" => Strategy::LeastAllocated,
        "MostAllocated" => Strategy::MostAllocated,
        "BalancedAllocation" => Strategy::BalancedAllocation,
        other => return Err(format!("unknown strategy {other:?}")),
    };
    let weight = |r| -> Result<Weight<'_>, String> {
        only(r, &["Name", "Weight"])?;
        Ok(Weight {
            name: text(r, "Name")?,
            // Left out it is 0, as in upstream's structure.
            weight: match r.get("Weight") {
                None => 0,
                Some(weight) => weight.as_i64().ok_or("a weight that is no integer")?,
            },
        })
    };
    let weights = optional_list(case, "resources")?.iter().map(weight);
    let weights = weights.collect::<Result<Vec<_>, _>>()?;
    only(&case["expect"], &["scores", "validation_errors"])?;
    let errors = optional_list(&case["expect"], "validation_errors")?.iter();
    let refused = errors.map(|e| {
        only(e, &["field", "type"])?;
        text(e, "field")
    });
    let refused = refused.collect::<Result<Vec<_>, _>>()?;
    let scorer = match Scorer::new(strategy, &weights) {
        Err(error) => {
            let got: Vec<String> = error
                .at
                .iter()
                .map(|i| format!("resources[{i}].weight"))
                .collect();
            return same(
                "weights refused",
                &refused,
                &got.iter().map(String::as_str).collect(),
            );
        }
        Ok(scorer) if refused.is_empty() => scorer,
        Ok(_) => return Err(format!("want {refused:?} refused")),
    };
    let pods = list(case, "existing_pods")?
        .iter()
        .map(|p| Ok((text(p, "node")?, pod(p)?)))
        .collect::<Result<Vec<_>, String>>()?;
    let new = pod(&case["pod"])?;
    let expected = case["expect"]["scores"]
        .as_object()
        .ok_or("no scores expected")?;
    let nodes = list(case, "nodes")?;
    same("nodes with a score", &nodes.len(), &expected.len())?;
    for node in nodes {
        only(node, &["_t", "name", "capacity"])?;
        let name = text(node, "name")?;
        let there = pods.iter().filter(|(at, _)| *at == name);
        let present: Vec<&Pod<'_>> = there.map(|(_, pod)| pod).collect();
        let score = scorer.score(&quantities(&node["capacity"])?, &present, &new);
        let want = expected.get(name).and_then(Value::as_u64);
        same(name, &want, &Some(score))?;
    }
    Ok(())
}

fn pod(pod: &Value) -> Result<Pod<'_>, String> {
    only(
        pod,
        &["_t", "node", "containers", "init_containers", "overhead"],
    )?;
    let containers = |key: &str| {
        let each = optional_list(pod, key)?.iter().map(|c| {
            Ok(Container {
                requests: quantities(c)?,
                ..Container::default()
            })
        });
        each.collect::<Result<Vec<_>, String>>()
    };
    Ok(Pod {
        containers: containers("containers")?,
        init_containers: containers("init_containers")?,
        overhead: quantities(&pod["overhead"])?,
        ..Pod::default()
    })
}

fn quantities(value: &Value) -> Result<Quantities<'_>, String> {
    let map = match value {
        Value::Null => return Ok(Quantities::new()),
        other => other
            .as_object()
            .ok_or(format!("{other}, want amounts by name"))?,
    };
    let each = map
        .iter()
        .map(|(name, quantity)| Ok((name.as_str(), amount(name, quantity)?)));
    each.collect()
}

/// A quantity as Kubernetes writes it, in our units: thousandths for CPU.
fn amount(name: &str, quantity: &Value) -> Result<u64, String> {
    const SUFFIXES: [(&str, f64); 12] = [
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("Ki", 1024.0),
        ("Mi", 1024.0 * 1024.0),
        ("Gi", 1024.0 * 1024.0 * 1024.0),
        ("Ti", 1024.0 * 1024.0 * 1024.0 * 1024.0),
        ("Pi", 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0),
        ("", 1.0),
    ];
    let written = match quantity {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &written[digits.len()..];
    let number: f64 = digits.parse().map_err(|e| format!("{written:?}: {e}"))?;
    let scale = SUFFIXES.iter().find(|(s, _)| *s == suffix);
    let (_, scale) = scale.ok_or(format!("{written:?}: unknown suffix"))?;
    let units = if name == "cpu" { 1e3 } else { 1.0 };
    // Rounded up, as upstream does.
    Ok((number * scale * units).ceil() as u64)
}
