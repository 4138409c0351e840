//! Exact pick sequences.

use discovery_core::Picker;
use discovery_core::locality::locality_weight;
use discovery_core::pick::{Edf, Request, SmoothRoundRobin, StaticStride};
use test_support::{Value, text};

use super::{
    asserts_nothing, each, integer, integers, list, near, number, numbers, or, same, whole,
};

fn picks(picker: &mut dyn Picker, n: usize) -> Vec<u64> {
    (0..n)
        .filter_map(|_| picker.pick(&Request::default()))
        .map(|slot| slot as u64)
        .collect()
}

fn counts(picked: &[u64], slots: usize) -> Vec<u64> {
    let mut counts = vec![0; slots];
    picked.iter().for_each(|&slot| counts[slot as usize] += 1);
    counts
}

pub(crate) fn envoy_edf() {
    let fields = [
        "weights",
        "rule",
        "picks",
        "picks_n",
        "counts",
        "add",
        "expected",
        "expected_first_pick",
        "expected_first_peek",
        "iterations",
        "tolerance_percent_points",
    ];
    each("envoy_edf.json", &fields, |case, _| {
        if case.get("add").is_some() {
            return expired(case);
        }
        let weights = numbers(case, "weights");
        if let Ok(iterations) = integer(case, "iterations") {
            return first_picks(case, &weights, iterations);
        }
        let listed = integers(case, "picks");
        let n = integer(case, "picks_n").map_or(listed.len(), |n| n as usize);
        if weights.is_empty() || n == 0 {
            return asserts_nothing();
        }
        let got = picks(&mut Edf::new(&weights), n.max(listed.len()));
        if !listed.is_empty() {
            return same("picks", &listed.as_slice(), &&got[..listed.len()]);
        }
        if case.get("counts").is_some() {
            let counts = counts(&got, weights.len());
            return same("counts", &integers(case, "counts"), &counts);
        }
        let rule = text(case, "rule")?;
        if let Some(modulus) = rule.strip_prefix("pick k (0-based) is k mod ") {
            let modulus: u64 = modulus.parse().map_err(|e| format!("{rule}: {e}"))?;
            let want: Vec<u64> = (0..n as u64).map(|k| k % modulus).collect();
            return same("picks", &want, &got);
        }
        in_proportion(&weights, &got)
    });
}

/// Other rules speak of counts in proportion to the weights: exact where the shares are whole, else to one pick.
fn in_proportion(weights: &[f64], got: &[u64]) -> Result<(), String> {
    let all: f64 = weights.iter().sum();
    for (slot, (w, count)) in weights.iter().zip(counts(got, weights.len())).enumerate() {
        let want = w * got.len() as f64 / all;
        let slack = if want.fract() == 0.0 { 0.0 } else { 1.0 };
        near(&format!("count of {slot}"), want, count as f64, slack)?;
    }
    Ok(())
}

/// Entries that were dropped are passed over: here their weight has become 0.
fn expired(case: &Value) -> Result<(), String> {
    let entries: Vec<(u64, f64, bool)> = list(case, "add")
        .iter()
        .map(|e| {
            let parts = e.as_array().ok_or("an entry that is no list")?;
            let dropped = match parts.get(2).map(Value::as_str) {
                None | Some(Some("kept")) => false,
                Some(Some("dropped")) => true,
                Some(other) => return Err(format!("an entry that is {other:?}")),
            };
            let id = parts.first().and_then(Value::as_u64).ok_or("no id")?;
            let weight = parts.get(1).and_then(Value::as_f64).ok_or("no weight")?;
            Ok((id, weight, dropped))
        })
        .collect::<Result<_, String>>()?;
    let expected = ["expected_first_pick", "expected_first_peek"]
        .iter()
        .find_map(|key| case.get(key));
    let Some(expected) = expected else {
        return asserts_nothing();
    };
    let mut edf = Edf::new(&entries.iter().map(|e| e.1).collect::<Vec<_>>());
    for (slot, entry) in entries.iter().enumerate() {
        if entry.2 {
            edf.set_weight(slot, 0);
        }
    }
    let got = edf.pick(&Request::default()).map(|slot| entries[slot].0);
    same("first pick", &expected.as_u64(), &got)
}

fn first_picks(case: &Value, weights: &[f64], iterations: u64) -> Result<(), String> {
    let mut seen = vec![0u64; weights.len()];
    for seed in 0..iterations {
        if let Some(slot) = Edf::seeded(weights, seed).pick(&Request::default()) {
            seen[slot] += 1;
        }
    }
    let all: f64 = weights.iter().sum();
    let tolerance = number(case, "tolerance_percent_points")?;
    for (slot, (w, n)) in weights.iter().zip(seen).enumerate() {
        let got = n as f64 * 100.0 / iterations as f64;
        near(
            &format!("percent of {slot}"),
            w * 100.0 / all,
            got,
            tolerance,
        )?;
    }
    Ok(())
}

pub(crate) fn envoy_slow_start_picks() {
    each(
        "envoy_slow_start_picks.json",
        &["weights", "picks"],
        |case, _| {
            let want = integers(case, "picks");
            if want.is_empty() {
                return asserts_nothing();
            }
            let mut edf = Edf::new(&numbers(case, "weights"));
            same("picks", &want, &picks(&mut edf, want.len()))
        },
    );
}

pub(crate) fn envoy_locality_wrr() {
    let fields = [
        "locality_weights",
        "hosts",
        "healthy",
        "excluded",
        "overprovisioning_factor",
        "picks",
        "counts_over_100_picks",
    ];
    each("envoy_locality_wrr.json", &fields, |case, _| {
        let (weights, hosts) = (integers(case, "locality_weights"), integers(case, "hosts"));
        let healthy = integers(case, "healthy");
        let factor = or(case, "overprovisioning_factor", 140, whole)? as u32;
        let excluded = integers(case, "excluded");
        for list in [&hosts, &healthy] {
            same("localities", &weights.len(), &list.len())?;
        }
        if !excluded.is_empty() {
            same("localities", &weights.len(), &excluded.len())?;
        }
        let weight = |i: usize| {
            let counted = hosts[i].saturating_sub(excluded.get(i).map_or(0, |n| *n));
            locality_weight(weights[i] as u32, factor, healthy[i] as u32, counted as u32)
        };
        let weights: Vec<f64> = (0..weights.len()).map(weight).collect();
        let mut edf = Edf::new(&weights);
        if let Some(Value::Null) = case.get("picks") {
            return same("picks", &None, &edf.pick(&Request::default()));
        }
        if let Some((n, want)) = counted(case) {
            let counts = counts(&picks(&mut edf, n), weights.len());
            return same("counts", &want, &counts);
        }
        let want = integers(case, "picks");
        if want.is_empty() {
            return asserts_nothing();
        }
        same("picks", &want, &picks(&mut edf, want.len()))
    });
}

/// `counts_over_N_picks`: N, and the counts.
fn counted(case: &Value) -> Option<(usize, Vec<u64>)> {
    let (key, _) = case
        .as_object()?
        .iter()
        .find(|(key, _)| key.starts_with("counts_over_"))?;
    let n = key.strip_prefix("counts_over_")?.strip_suffix("_picks")?;
    Some((n.parse().ok()?, integers(case, key)))
}

pub(crate) fn nginx_smooth_wrr() {
    each("nginx_smooth_wrr.json", &["weights", "picks"], |case, _| {
        let weights: Vec<u32> = integers(case, "weights")
            .iter()
            .map(|&w| w as u32)
            .collect();
        let want = integers(case, "picks");
        if want.is_empty() {
            return asserts_nothing();
        }
        same(
            "picks",
            &want,
            &picks(&mut SmoothRoundRobin::new(&weights), want.len()),
        )
    });
}

pub(crate) fn grpc_static_stride() {
    let fields = [
        "weights",
        "sequence_start",
        "sequence_after",
        "picks",
        "picks_n",
        "counts",
        "share_tolerance",
    ];
    each("grpc_static_stride.json", &fields, |case, _| {
        // A weight of 0 is one not known yet there, and nobody's here.
        let known = |w: f64| if w == 0.0 { -1.0 } else { w };
        let weights: Vec<f64> = numbers(case, "weights").into_iter().map(known).collect();
        let mut stride = StaticStride::new(&weights, start(case)?);
        let want = integers(case, "picks");
        if !want.is_empty() {
            let mut after = Vec::new();
            let mut got = Vec::new();
            for _ in 0..want.len() {
                got.extend(picks(&mut stride, 1));
                after.push(u64::from(stride.sequence()));
            }
            same("picks", &want, &got)?;
            let wanted = integers(case, "sequence_after");
            return if wanted.is_empty() {
                Ok(())
            } else {
                same("sequence", &wanted, &after)
            };
        }
        let n = integer(case, "picks_n")? as usize;
        let got = counts(&picks(&mut stride, n), weights.len());
        let want = integers(case, "counts");
        if !want.is_empty() {
            return same("counts", &want, &got);
        }
        let (all, tolerance) = (
            weights.iter().sum::<f64>(),
            number(case, "share_tolerance")?,
        );
        for (slot, (w, count)) in weights.iter().zip(&got).enumerate() {
            let share = *count as f64 / n as f64;
            near(&format!("share of {slot}"), w / all, share, tolerance)?;
        }
        Ok(())
    });
}

/// Where the sequence starts: a number, or the first `nextInt` of Java's generator with a seed.
fn start(case: &Value) -> Result<u32, String> {
    let Some(given) = case.get("sequence_start") else {
        return Ok(0);
    };
    if let Some(number) = given.as_i64() {
        return Ok(number as u32);
    }
    let text = given
        .as_str()
        .ok_or("sequence_start is neither a number nor a text")?;
    let seed = text
        .split_once("Random(")
        .and_then(|(_, rest)| rest.split_once(')'));
    let seed: u64 = seed
        .ok_or("no Random(seed)")?
        .0
        .parse()
        .map_err(|e| format!("{text}: {e}"))?;
    // java.util.Random's documented generator: 48 bits, the upper 32 of the first step.
    let state = (seed ^ 0x5_DEEC_E66D) & ((1 << 48) - 1);
    let state = state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1);
    let first = (state >> 16) as u32;
    if let Some((_, said)) = text.split_once("= ") {
        same(
            "first nextInt",
            &said.trim().parse::<i32>().ok(),
            &Some(first as i32),
        )?;
    }
    Ok(first)
}
