//! Protection on every PlanetLab day of the shared data, with samples held and ramped, against the baselines that each replay runs.

use crate::replay::replay;
use crate::{Figure, Judge, Limit, Measured};
use serde_json::Value;
use std::sync::Mutex;

const DAYS: [&str; 3] = ["20110303", "20110322", "20110412"];

/// One replay's figures, by policy.
#[derive(Clone, Copy, Debug)]
struct Day {
    overload: f64,
    overload_by_load: f64,
    harm: f64,
    /// The least harm of any baseline.
    least_harm: f64,
    harm_greedy: f64,
    /// Moves per container and day.
    moves: f64,
}

/// The rows: minutes each, since a day is replayed six times.
#[must_use]
pub fn figures() -> Vec<Figure> {
    let row = |id, what, unit, must, aim, run| Figure {
        id,
        what,
        unit,
        judge: Judge::Ours,
        must: Limit::AtMost(must),
        aim: Limit::AtMost(aim),
        long: true,
        run,
    };
    vec![
        row(
            "replay/days-overload-median",
            "overload over that placed by load, three days held and ramped, median",
            "ratio",
            0.2,
            0.1,
            || {
                Ok(Measured::alone(median(of(|d| {
                    d.overload / d.overload_by_load
                })?)))
            },
        ),
        row(
            "replay/days-overload-worst",
            "the same, worst",
            "ratio",
            0.5,
            0.3,
            || {
                Ok(Measured::alone(worst(of(|d| {
                    d.overload / d.overload_by_load
                })?)))
            },
        ),
        row(
            "replay/days-harm-worst",
            "harm over the least of any baseline's, the same days, worst",
            "ratio",
            1.0,
            0.5,
            || Ok(Measured::alone(worst(of(|d| d.harm / d.least_harm)?))),
        ),
        row(
            "replay/days-harm-greedy",
            "harm over the greedy rule's, the same days, median",
            "ratio",
            1.0,
            0.5,
            || Ok(Measured::alone(median(of(|d| d.harm / d.harm_greedy)?))),
        ),
        row(
            "replay/days-moves",
            "moves per container and day, the same days, most",
            "moves",
            1.0,
            0.5,
            || Ok(Measured::alone(worst(of(|d| d.moves)?))),
        ),
    ]
}

/// A figure of each replay; they are run once for all rows.
fn of(figure: impl Fn(&Day) -> f64) -> Result<Vec<f64>, String> {
    static KEPT: Mutex<Option<Result<Vec<Day>, String>>> = Mutex::new(None);
    let mut kept = KEPT.lock().map_err(|e| e.to_string())?;
    let days = kept.get_or_insert_with(all).clone()?;
    Ok(days.iter().map(figure).collect())
}

fn all() -> Result<Vec<Day>, String> {
    let runs = DAYS
        .iter()
        .flat_map(|day| ["hold", "ramp"].map(|b| (day, b)));
    runs.map(|(day, between)| read(&replay(day, &["--between", between])?))
        .collect()
}

fn read(answer: &Value) -> Result<Day, String> {
    let number = |path: &str| {
        let value = answer.pointer(path).and_then(Value::as_f64);
        value.ok_or_else(|| format!("no {path} in the answer"))
    };
    let harm = |i: usize| number(&format!("/baselines/{i}/harm_core_seconds"));
    let days = number("/simulated_seconds")? / 86_400.0;
    Ok(Day {
        overload: number("/runs/1/overloaded_host_seconds")?,
        overload_by_load: number("/baselines/1/overloaded_host_seconds")?,
        harm: number("/runs/1/harm_core_seconds")?,
        least_harm: harm(0)?.min(harm(1)?).min(harm(2)?),
        harm_greedy: harm(2)?,
        moves: number("/runs/1/moves")? / number("/containers")? / days,
    })
}

fn worst(values: Vec<f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |i: usize| values.get(i).copied().unwrap_or(0.0);
    (at(middle) + at(values.len().saturating_sub(1) / 2)) / 2.0
}
