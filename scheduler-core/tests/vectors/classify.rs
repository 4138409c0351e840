//! `descheduler_classify.json`: percentages, classes and orders of nodes.

use super::{cases, named, near, same};
use scheduler_core::kube::{
    Percents, Quantities, Rule, around, average, classify, heaviest_first, lightest_first, percents,
};
use test_support::{Value, VectorFile, field, list, only, text, texts};

pub(crate) fn descheduler_classify() {
    let mut file = VectorFile::open("descheduler_classify.json");
    for (index, case) in cases(&file).iter().enumerate() {
        file.case(&named(index, case), run(case));
    }
    file.finish();
}

fn run(case: &Value) -> Result<(), String> {
    match text(case, "kind")? {
        "static" => two_sided(case, false),
        "deviation" | "relative" => two_sided(case, true),
        "banded" => banded(case),
        "pct" => pct(case),
        "sort_desc" => sorted(case, heaviest_first),
        "sort_asc" => sorted(case, lightest_first),
        other => Err(format!("unknown kind {other:?}")),
    }
}

/// Names and kinds are in every case; notes are for people.
fn fields(case: &Value, own: &[&str]) -> Result<(), String> {
    only(
        case,
        &[&["name", "kind", "note", "usage", "capacity"], own].concat(),
    )
}

/// The nodes' names and use in percent.
fn usages(case: &Value) -> Result<Vec<(&str, Percents<'_>)>, String> {
    let capacity = quantities(&case["capacity"])?;
    let mut usages = Vec::new();
    for (node, usage) in case["usage"].as_object().ok_or("no usage")? {
        usages.push((node.as_str(), percents(&row(case, usage)?, &capacity)));
    }
    Ok(usages)
}

/// Amounts by name, or in the order of the capacity's names.
fn row<'a>(case: &'a Value, row: &'a Value) -> Result<Quantities<'a>, String> {
    let Some(values) = row.as_array() else {
        return quantities(row);
    };
    let names = case["capacity"].as_object().ok_or("no capacity")?.keys();
    let values = values
        .iter()
        .map(|v| v.as_u64().ok_or("an amount that is no integer"));
    let pairs = names.zip(values).map(|(n, v)| Ok((n.as_str(), v?)));
    pairs.collect()
}

fn quantities(value: &Value) -> Result<Quantities<'_>, String> {
    let map = value.as_object().ok_or("no amounts")?;
    let present = map.iter().filter(|(_, v)| !v.is_null());
    present
        .map(|(name, v)| {
            Ok((
                name.as_str(),
                v.as_u64().ok_or("an amount that is no integer")?,
            ))
        })
        .collect()
}

/// One threshold for each resource of the capacity: given one by one, by name, or one for all.
fn threshold<'a>(case: &'a Value, given: &Value) -> Result<Percents<'a>, String> {
    let names = case["capacity"].as_object().ok_or("no capacity")?.keys();
    let mut limits = Percents::new();
    for (index, name) in names.enumerate() {
        let limit = match given {
            Value::Array(each) => each.get(index),
            Value::Object(each) => each.get(name),
            all => Some(all),
        };
        if let Some(limit) = limit {
            limits.insert(name, limit.as_f64().ok_or("a threshold that is no number")?);
        }
    }
    Ok(limits)
}

fn two_sided(case: &Value, deviation: bool) -> Result<(), String> {
    fields(case, &["low", "high", "expect_under", "expect_over"])?;
    let nodes = usages(case)?;
    let shares: Vec<Percents<'_>> = nodes.iter().map(|(_, usage)| usage.clone()).collect();
    let (mut low, mut high) = (
        threshold(case, &case["low"])?,
        threshold(case, &case["high"])?,
    );
    if deviation {
        (low, high) = around(&average(&shares), &low, &high);
    }
    let classes = classify(&shares, &[(low, Rule::AllBelow), (high, Rule::AllAbove)]);
    for (class, key) in ["expect_under", "expect_over"].into_iter().enumerate() {
        same(
            key,
            &names(field(case, key)?)?,
            &members(&nodes, &classes, class),
        )?;
    }
    Ok(())
}

/// Rising bands: a node is in the first one that it lies below; the last one is for those above it.
fn banded(case: &Value) -> Result<(), String> {
    fields(case, &["bands", "expect"])?;
    let nodes = usages(case)?;
    let shares: Vec<Percents<'_>> = nodes.iter().map(|(_, usage)| usage.clone()).collect();
    let bands = list(case, "bands")?;
    let mut rules = Vec::new();
    for (index, band) in bands.iter().enumerate() {
        let rule = if index + 1 < bands.len() {
            Rule::AllBelow
        } else {
            Rule::AllAbove
        };
        rules.push((threshold(case, band)?, rule));
    }
    let classes = classify(&shares, &rules);
    let expected = list(case, "expect")?;
    same("bands", &rules.len(), &expected.len())?;
    for (class, want) in expected.iter().enumerate() {
        let got = members(&nodes, &classes, class);
        same(&format!("band {class}"), &names(want)?, &got)?;
    }
    Ok(())
}

fn members(nodes: &[(&str, Percents<'_>)], classes: &[Option<usize>], class: usize) -> Vec<String> {
    let both = nodes.iter().zip(classes);
    let mut names: Vec<String> = both
        .filter(|(_, c)| **c == Some(class))
        .map(|((name, _), _)| (*name).to_owned())
        .collect();
    names.sort();
    names
}

fn names(value: &Value) -> Result<Vec<String>, String> {
    let each = value.as_array().ok_or("no names")?.iter();
    let name = |n: &Value| {
        n.as_str()
            .map(str::to_owned)
            .ok_or("a name that is no text")
    };
    let mut names = each.map(name).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    Ok(names)
}

fn pct(case: &Value) -> Result<(), String> {
    fields(case, &["expect"])?;
    let got = percents(
        &quantities(&case["usage"])?,
        &quantities(&case["capacity"])?,
    );
    let want = case["expect"].as_object().ok_or("no expectation")?;
    let keys: Vec<&str> = want.keys().map(String::as_str).collect();
    same("resources", &keys, &got.keys().copied().collect())?;
    for (name, percent) in want {
        let percent = percent.as_f64().ok_or("a percentage that is no number")?;
        let got = got.get(name.as_str()).ok_or(format!("no {name}"))?;
        near(name, percent, *got)?;
    }
    Ok(())
}

fn sorted(case: &Value, order: fn(&[Quantities<'_>]) -> Vec<usize>) -> Result<(), String> {
    only(case, &["name", "kind", "usage", "expect"])?;
    let nodes = case["usage"].as_object().ok_or("no usage")?;
    let names: Vec<&String> = nodes.keys().collect();
    let usages = nodes
        .values()
        .map(quantities)
        .collect::<Result<Vec<_>, _>>()?;
    let got: Vec<&str> = order(&usages)
        .into_iter()
        .map(|at| names[at].as_str())
        .collect();
    same("order", &texts(case, "expect")?, &got)
}
