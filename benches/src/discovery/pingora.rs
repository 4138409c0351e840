//! pingora-load-balancing's weighted round robin: it needs over a hundred crates and cmake, so a workspace of its
//! own (`benches/compare`) measures it beside ours, and this reads what it wrote.

use crate::{Figure, Judge, Limit, Measured};

/// Ours and pingora's of one kind of figure.
fn read(kind: &str) -> Result<Measured, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/compare/pingora.json");
    let text = std::fs::read(path)
        .map_err(|e| format!("no benches/compare/pingora.json ({e}); `cargo run --release` there writes it"))?;
    let json: serde_json::Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let number = |who: &str| {
        json[kind][who].as_f64().ok_or(format!("pingora.json: no number {kind}.{who}"))
    };
    Ok(Measured::beside(number("ours")?, number("pingora")?))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let row = |id, what, unit, run| Figure {
        id,
        what,
        unit,
        judge: Judge::Ratio,
        must: Limit::AtMost(1.0),
        aim: Limit::AtMost(0.5),
        long: false,
        run,
    };
    vec![
        row(
            "discovery/pingora-ns",
            "smooth pick, 1,000 endpoints; peer pingora's weighted round robin (from benches/compare)",
            "ns",
            || read("ns"),
        ),
        row(
            "discovery/pingora-deviation",
            "largest deviation over 10^6 picks; peer pingora's weighted round robin (from benches/compare)",
            "picks",
            || read("deviation"),
        ),
    ]
}
