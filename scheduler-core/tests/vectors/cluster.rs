//! Nodes and pods of the descheduler's files: as its tests write them, or as dumped from running objects.

use super::{list, text};
use doors::Value;
use scheduler_core::kube::{
    Container, Effect, Expression, Node, Operator, Pod, Qos, Quantities, Taint, Tolerates,
    Toleration,
};
use std::collections::BTreeMap;

/// A field under any of the spellings in use: `nodeAffinity`, `NodeAffinity`.
pub(crate) fn any<'a>(value: &'a Value, keys: &[&str]) -> &'a Value {
    let mut found = keys.iter().map(|key| &value[*key]);
    found.find(|v| !v.is_null()).unwrap_or(&Value::Null)
}

/// A field of an object of the API, its name written with a small or a capital letter.
fn api<'a>(value: &'a Value, key: &str) -> &'a Value {
    let capital = key[..1].to_uppercase() + &key[1..];
    any(value, &[key, &capital])
}

fn api_text<'a>(value: &'a Value, key: &str) -> &'a str {
    api(value, key).as_str().unwrap_or("")
}

/// Elements of an array, none of anything else.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn pairs(value: &Value) -> impl Iterator<Item = (&str, &str)> {
    let map = value.as_object().into_iter().flatten();
    map.filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
}

/// What a test's modifier sets, by the last part of its path (`ObjectMeta.Labels`, `Labels`); an unknown one
/// is an error, not passed over.
fn overrides<'a>(value: &'a Value, known: &[&str]) -> Result<BTreeMap<&'a str, &'a Value>, String> {
    let mut set = BTreeMap::new();
    for (path, to) in value["spec_overrides"].as_object().into_iter().flatten() {
        let last = path.rsplit('.').next().unwrap_or(path);
        if !known.contains(&last) {
            return Err(format!("unknown modifier {path:?}"));
        }
        set.insert(last, to);
    }
    Ok(set)
}

pub(crate) fn quantities(value: &Value) -> Result<Quantities<'_>, String> {
    let map = value.as_object().into_iter().flatten();
    let each = map.filter(|(_, v)| !v.is_null()).map(|(name, v)| {
        let name = if name == "cpu_milli" {
            "cpu"
        } else {
            name.as_str()
        };
        let amount = v.as_u64().ok_or(format!("{name}: {v} is no amount"))?;
        Ok((name, amount))
    });
    each.collect()
}

/// Measured use by name.
pub(crate) fn measured(value: &Value) -> Result<BTreeMap<&str, Quantities<'_>>, String> {
    let one = |m: &Value| -> Result<Quantities<'static>, String> {
        let mut amounts = Quantities::new();
        for (key, name) in [("cpu_milli", "cpu"), ("memory", "memory")] {
            if let Some(amount) = m[key].as_u64() {
                amounts.insert(name, amount);
            }
        }
        Ok(amounts)
    };
    each(value)
        .map(|m| Ok((text(m, "name"), one(m)?)))
        .collect()
}

pub(crate) fn node(value: &Value) -> Result<Node<'_>, String> {
    let set = overrides(value, &["Labels", "Taints", "Unschedulable"])?;
    let labels = set.get("Labels").copied().unwrap_or(&value["labels"]);
    let taints = set.get("Taints").copied().unwrap_or(&value["taints"]);
    let unschedulable = set
        .get("Unschedulable")
        .copied()
        .unwrap_or(&value["unschedulable"]);
    Ok(Node {
        name: text(value, "name"),
        allocatable: quantities(&value["allocatable"])?,
        unschedulable: unschedulable == true,
        labels: pairs(labels).collect(),
        taints: each(taints).map(taint).collect::<Result<_, _>>()?,
        measured: None,
    })
}

pub(crate) fn pod<'a>(value: &'a Value, nodes: &[Node<'_>]) -> Result<Pod<'a>, String> {
    let known = [
        "Namespace",
        "Annotations",
        "Affinity",
        "NodeSelector",
        "Tolerations",
        "Labels",
    ];
    let set = overrides(value, &known)?;
    let field = |modifier: &str, key: &str| set.get(modifier).copied().unwrap_or(&value[key]);
    let annotations: BTreeMap<&str, &str> = pairs(field("Annotations", "annotations")).collect();
    let volumes: Vec<&str> = list(value, "volumes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mirror = annotations.contains_key("kubernetes.io/config.mirror");
    let source = annotations.get("kubernetes.io/config.source");
    let affinity = api(
        api(field("Affinity", "affinity"), "nodeAffinity"),
        "requiredDuringSchedulingIgnoredDuringExecution",
    );
    let at = nodes.iter().position(|n| n.name == text(value, "node"));
    Ok(Pod {
        name: text(value, "name"),
        namespace: field("Namespace", "namespace").as_str().unwrap_or(""),
        node: at.unwrap_or(usize::MAX),
        containers: containers(value)?,
        init_containers: list(value, "init_containers")
            .iter()
            .map(container)
            .collect::<Result<_, _>>()?,
        overhead: quantities(&value["overhead"])?,
        measured: None,
        priority: priority(&value["priority"])?,
        owners: match value["owner"].as_str() {
            Some(kind) => vec![kind],
            None => list(value, "owner_kinds")
                .iter()
                .filter_map(Value::as_str)
                .collect(),
        },
        of_node: mirror || source.is_some_and(|s| *s != "api"),
        deleting: value["deleting"] == true || !value["deletion_timestamp"].is_null(),
        local_storage: value["local_storage"] == true
            || volumes
                .iter()
                .any(|v| matches!(*v, "hostPath" | "emptyDir")),
        always_evictable: annotations.contains_key("descheduler.alpha.kubernetes.io/evict"),
        node_selector: pairs(field("NodeSelector", "node_selector")).collect(),
        node_affinity: each(api(affinity, "nodeSelectorTerms"))
            .map(|term| {
                each(api(term, "matchExpressions"))
                    .map(expression)
                    .collect()
            })
            .collect::<Result<_, _>>()?,
        tolerations: each(field("Tolerations", "tolerations"))
            .map(toleration)
            .collect::<Result<_, _>>()?,
    })
}

fn containers(value: &Value) -> Result<Vec<Container<'_>>, String> {
    if !value["containers"].is_null() {
        return list(value, "containers").iter().map(container).collect();
    }
    let requests = quantities(&value["requests"])?;
    // A test's pod of a class: no requests at all, or limits made equal to them.
    let container = match qos(text(value, "qos"))? {
        Some(Qos::BestEffort) => Container::default(),
        Some(Qos::Guaranteed) => Container {
            limits: requests.clone(),
            requests,
        },
        _ => Container {
            requests,
            ..Container::default()
        },
    };
    Ok(vec![container])
}

fn container(value: &Value) -> Result<Container<'_>, String> {
    Ok(Container {
        requests: quantities(&value["requests"])?,
        limits: quantities(&value["limits"])?,
    })
}

fn qos(name: &str) -> Result<Option<Qos>, String> {
    Ok(Some(match name {
        "" => return Ok(None),
        "BestEffort" => Qos::BestEffort,
        "Burstable" => Qos::Burstable,
        "Guaranteed" => Qos::Guaranteed,
        other => return Err(format!("unknown class {other:?}")),
    }))
}

/// A number, or the name of one of upstream's two test constants.
fn priority(value: &Value) -> Result<Option<i32>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) => match name.trim_start_matches("id:") {
            "lowPriority" => Ok(Some(0)),
            "highPriority" => Ok(Some(10_000)),
            other => Err(format!("unknown priority {other:?}")),
        },
        number => {
            let number = number.as_i64().and_then(|n| i32::try_from(n).ok());
            number
                .map(Some)
                .ok_or("a priority that is no number".into())
        }
    }
}

fn effect(name: &str) -> Result<Option<Effect>, String> {
    Ok(Some(
        match name
            .trim_start_matches("id:")
            .trim_start_matches("TaintEffect")
        {
            "" => return Ok(None),
            "NoSchedule" => Effect::NoSchedule,
            "PreferNoSchedule" => Effect::PreferNoSchedule,
            "NoExecute" => Effect::NoExecute,
            other => return Err(format!("unknown effect {other:?}")),
        },
    ))
}

fn taint(value: &Value) -> Result<Taint<'_>, String> {
    Ok(Taint {
        key: api_text(value, "key"),
        value: api_text(value, "value"),
        effect: effect(api_text(value, "effect"))?.ok_or("a taint without effect")?,
    })
}

fn toleration(value: &Value) -> Result<Toleration<'_>, String> {
    let key = api_text(value, "key");
    Ok(Toleration {
        key: (!key.is_empty()).then_some(key),
        value: if api_text(value, "operator").ends_with("Exists") {
            Tolerates::Any
        } else {
            Tolerates::Value(api_text(value, "value"))
        },
        effect: effect(api_text(value, "effect"))?,
    })
}

fn expression(value: &Value) -> Result<Expression<'_>, String> {
    let values: Vec<&str> = each(api(value, "values"))
        .filter_map(Value::as_str)
        .collect();
    let number = || {
        let first = values.first().and_then(|v| v.parse().ok());
        first.ok_or("a bound that is no number".to_owned())
    };
    let name = api_text(value, "operator").trim_start_matches("id:");
    Ok(Expression {
        key: api_text(value, "key"),
        operator: match name.trim_start_matches("NodeSelectorOp") {
            "In" => Operator::In(values),
            "NotIn" => Operator::NotIn(values),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt(number()?),
            "Lt" => Operator::Lt(number()?),
            other => return Err(format!("unknown operator {other:?}")),
        },
    })
}
