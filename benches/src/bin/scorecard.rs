//! `cargo run --release -p benches --bin scorecard [FILTER] [--long]`: measures the figures whose id holds
//! FILTER and writes `benches/SCORECARD.md`. Figures that need over 60 s run with `--long` only.
#![forbid(unsafe_code)]

use benches::{card, figures};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut filter = String::new();
    let mut long = false;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--long" => long = true,
            flag if flag.starts_with('-') => {
                eprintln!("scorecard: no option {flag}; usage: scorecard [FILTER] [--long]");
                return ExitCode::from(2);
            }
            _ => filter = arg,
        }
    }
    let all = figures();
    let mut fresh = BTreeMap::new();
    for figure in all.iter().filter(|f| f.id.contains(&filter)) {
        if figure.long && !long {
            continue;
        }
        eprintln!("{} ...", figure.id);
        let line = card::row(figure, &(figure.run)());
        println!("{line}");
        fresh.insert(figure.id, line);
    }
    if fresh.is_empty() && !filter.is_empty() {
        eprintln!("scorecard: no figure was run for '{filter}' (long ones need --long)");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("SCORECARD.md");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    match std::fs::write(&path, card::table(&all, &fresh, &before)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("scorecard: {}: {e}", path.display());
            ExitCode::from(3)
        }
    }
}
