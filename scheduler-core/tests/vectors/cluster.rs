//! Nodes and pods of the descheduler's files: as its tests write them, or as dumped from running objects.

use super::{flag, optional_list, optional_text};
use scheduler_core::kube::{
    Container, Effect, Expression, Node, Operator, Pod, Qos, Quantities, Taint, Tolerates,
    Toleration,
};
use std::collections::BTreeMap;
use test_support::{Value, list, only, text, texts};

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

/// Its text, empty where the API leaves it out.
fn api_text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    match api(value, key) {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        other => Err(format!("{key:?} is {other}, want a text")),
    }
}

/// An object of the API with these fields, small or capital.
fn api_only(value: &Value, known: &[&str]) -> Result<(), String> {
    let capital = |key: &&str| key[..1].to_uppercase() + &key[1..];
    let capitals: Vec<String> = known.iter().map(capital).collect();
    let both: Vec<&str> = known
        .iter()
        .copied()
        .chain(capitals.iter().map(String::as_str))
        .collect();
    only(value, &both)
}

/// Elements of an array, none of nothing.
fn each(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        other => Err(format!("{other}, want a list")),
    }
}

/// Texts by name, none of nothing.
fn pairs(value: &Value) -> Result<Vec<(&str, &str)>, String> {
    let map = match value {
        Value::Null => return Ok(Vec::new()),
        other => other
            .as_object()
            .ok_or(format!("{other}, want texts by name"))?,
    };
    map.iter()
        .map(|(name, text)| match text.as_str() {
            Some(text) => Ok((name.as_str(), text)),
            None => Err(format!("{name:?} is {text}, want a text")),
        })
        .collect()
}

/// What a test's modifier sets, by the last part of its path (`ObjectMeta.Labels`, `Labels`); an unknown one
/// is an error, not passed over.
fn overrides<'a>(value: &'a Value, known: &[&str]) -> Result<BTreeMap<&'a str, &'a Value>, String> {
    let mut set = BTreeMap::new();
    let given = match value.get("spec_overrides") {
        None | Some(Value::Null) => return Ok(set),
        Some(given) => given.as_object().ok_or("modifiers that have no names")?,
    };
    for (path, to) in given {
        let last = path.rsplit('.').next().unwrap_or(path);
        if !known.contains(&last) {
            return Err(format!("unknown modifier {path:?}"));
        }
        set.insert(last, to);
    }
    Ok(set)
}

pub(crate) fn quantities(value: &Value) -> Result<Quantities<'_>, String> {
    let map = match value {
        Value::Null => return Ok(Quantities::new()),
        other => other
            .as_object()
            .ok_or(format!("{other}, want amounts by name"))?,
    };
    let each = map.iter().filter(|(_, v)| !v.is_null()).map(|(name, v)| {
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
        only(m, &["name", "cpu_milli", "memory"])?;
        for (key, name) in [("cpu_milli", "cpu"), ("memory", "memory")] {
            let amount = m[key].as_u64().ok_or(format!("no {key} in {m}"))?;
            amounts.insert(name, amount);
        }
        Ok(amounts)
    };
    each(value)?
        .iter()
        .map(|m| Ok((text(m, "name")?, one(m)?)))
        .collect()
}

pub(crate) fn node(value: &Value) -> Result<Node<'_>, String> {
    let known = [
        "name",
        "allocatable",
        "capacity",
        "labels",
        "taints",
        "unschedulable",
        "spec_overrides",
    ];
    only(value, &known)?;
    if value.get("capacity").is_some() {
        // What upstream allocates from is what it measures against.
        super::same("capacity", &value["allocatable"], &value["capacity"])?;
    }
    let set = overrides(value, &["Labels", "Taints", "Unschedulable"])?;
    let labels = set.get("Labels").copied().unwrap_or(&value["labels"]);
    let taints = set.get("Taints").copied().unwrap_or(&value["taints"]);
    let unschedulable = set
        .get("Unschedulable")
        .copied()
        .unwrap_or(&value["unschedulable"]);
    Ok(Node {
        name: text(value, "name")?,
        allocatable: quantities(&value["allocatable"])?,
        unschedulable: match unschedulable {
            Value::Null => false,
            other => other
                .as_bool()
                .ok_or("unschedulable is neither true nor false")?,
        },
        labels: pairs(labels)?.into_iter().collect(),
        taints: each(taints)?.iter().map(taint).collect::<Result<_, _>>()?,
        measured: None,
    })
}

/// The fields of a pod in either file.
const FIELDS: [&str; 21] = [
    "name",
    "namespace",
    "node",
    "containers",
    "init_containers",
    "overhead",
    "requests",
    "qos",
    "priority",
    "owner",
    "owner_kinds",
    "annotations",
    "volumes",
    "affinity",
    "node_selector",
    "tolerations",
    "local_storage",
    "deleting",
    "deletion_timestamp",
    "labels",
    "spec_overrides",
];

pub(crate) fn pod<'a>(value: &'a Value, nodes: &[Node<'_>]) -> Result<Pod<'a>, String> {
    let known = [
        "Namespace",
        "Annotations",
        "Affinity",
        "NodeSelector",
        "Tolerations",
        "Labels",
    ];
    only(value, &FIELDS)?;
    let set = overrides(value, &known)?;
    let field = |modifier: &str, key: &str| set.get(modifier).copied().unwrap_or(&value[key]);
    let annotations: BTreeMap<&str, &str> = pairs(field("Annotations", "annotations"))?
        .into_iter()
        .collect();
    let volumes = match value.get("volumes") {
        None => Vec::new(),
        Some(_) => texts(value, "volumes")?,
    };
    let mirror = annotations.contains_key("kubernetes.io/config.mirror");
    let source = annotations.get("kubernetes.io/config.source");
    let affinity = api(
        api(field("Affinity", "affinity"), "nodeAffinity"),
        "requiredDuringSchedulingIgnoredDuringExecution",
    );
    let node = text(value, "node")?;
    let at = nodes.iter().position(|n| n.name == node);
    let namespace = field("Namespace", "namespace").as_str();
    Ok(Pod {
        name: text(value, "name")?,
        namespace: namespace.ok_or("no namespace")?,
        node: at.ok_or(format!("no node {node:?}"))?,
        containers: containers(value)?,
        init_containers: optional_list(value, "init_containers")?
            .iter()
            .map(container)
            .collect::<Result<_, _>>()?,
        overhead: quantities(&value["overhead"])?,
        measured: None,
        priority: priority(&value["priority"])?,
        owners: match (optional_text(value, "owner")?, value.get("owner_kinds")) {
            (Some(kind), _) => vec![kind],
            (None, None) => Vec::new(),
            (None, Some(_)) => texts(value, "owner_kinds")?,
        },
        of_node: mirror || source.is_some_and(|s| *s != "api"),
        deleting: flag(value, "deleting")? || !value["deletion_timestamp"].is_null(),
        local_storage: flag(value, "local_storage")?
            || volumes
                .iter()
                .any(|v| matches!(*v, "hostPath" | "emptyDir")),
        always_evictable: annotations.contains_key("descheduler.alpha.kubernetes.io/evict"),
        node_selector: pairs(field("NodeSelector", "node_selector"))?
            .into_iter()
            .collect(),
        node_affinity: terms(affinity)?,
        tolerations: each(field("Tolerations", "tolerations"))?
            .iter()
            .map(toleration)
            .collect::<Result<_, _>>()?,
    })
}

/// The terms of a node affinity, of which one must match.
fn terms(affinity: &Value) -> Result<Vec<Vec<Expression<'_>>>, String> {
    let terms = each(api(affinity, "nodeSelectorTerms"))?;
    terms
        .iter()
        .map(|term| {
            api_only(term, &["matchExpressions", "matchFields"])?;
            if !each(api(term, "matchFields"))?.is_empty() {
                return Err("fields to match are not read".into());
            }
            each(api(term, "matchExpressions"))?
                .iter()
                .map(expression)
                .collect()
        })
        .collect()
}

fn containers(value: &Value) -> Result<Vec<Container<'_>>, String> {
    if !value["containers"].is_null() {
        return list(value, "containers")?.iter().map(container).collect();
    }
    let requests = quantities(&value["requests"])?;
    // A test's pod of a class: no requests at all, or limits made equal to them.
    let container = match qos(optional_text(value, "qos")?.unwrap_or(""))? {
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
    only(value, &["requests", "limits"])?;
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
        key: api_text(value, "key")?,
        value: api_text(value, "value")?,
        effect: effect(api_text(value, "effect")?)?.ok_or("a taint without effect")?,
    })
}

fn toleration(value: &Value) -> Result<Toleration<'_>, String> {
    api_only(value, &["key", "operator", "value", "effect"])?;
    let key = api_text(value, "key")?;
    Ok(Toleration {
        key: (!key.is_empty()).then_some(key),
        value: if api_text(value, "operator")?.ends_with("Exists") {
            Tolerates::Any
        } else {
            Tolerates::Value(api_text(value, "value")?)
        },
        effect: effect(api_text(value, "effect")?)?,
    })
}

fn expression<'a>(value: &'a Value) -> Result<Expression<'a>, String> {
    api_only(value, &["key", "operator", "values"])?;
    let text = |v: &'a Value| v.as_str().ok_or("a value that is no text");
    let values = each(api(value, "values"))?.iter().map(text);
    let values: Vec<&str> = values.collect::<Result<_, _>>()?;
    let number = || {
        let first = values.first().and_then(|v| v.parse().ok());
        first.ok_or("a bound that is no number".to_owned())
    };
    let name = api_text(value, "operator")?.trim_start_matches("id:");
    Ok(Expression {
        key: api_text(value, "key")?,
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
