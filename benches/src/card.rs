//! The table in `benches/SCORECARD.md`: one row a figure, rows of earlier runs kept where a run left them out.

use crate::{Figure, Judge, Measured};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The table's head; the last column is exactly `met`, `aim`, `not met` or `skipped`.
const HEAD: &str = "| figure | what | unit | ours | peer | ratio | must | aim | status |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// A number as people read it: three to four significant digits, thousands grouped.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let size = value.abs();
    if size >= 1000.0 {
        let digits = format!("{size:.0}");
        let mut grouped = String::new();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        return if value < 0.0 {
            format!("-{grouped}")
        } else {
            grouped
        };
    }
    let places = match size {
        s if s >= 100.0 => 0,
        s if s >= 10.0 => 1,
        s if s >= 0.1 => 2,
        _ => 4,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `aim`, `met` or `not met`.
#[must_use]
pub fn status(figure: &Figure, measured: &Measured) -> &'static str {
    let judged = match figure.judge {
        Judge::Ours => Some(measured.ours),
        Judge::Ratio => measured.ratio(),
    };
    match judged {
        Some(value) if figure.aim.met(value) => "aim",
        Some(value) if figure.must.met(value) => "met",
        _ => "not met",
    }
}

/// One row of the table.
#[must_use]
pub fn row(figure: &Figure, outcome: &Result<Measured, String>) -> String {
    let Figure {
        id,
        what,
        unit,
        must,
        aim,
        ..
    } = figure;
    match outcome {
        Ok(m) => {
            let ours = number(m.ours);
            let peer = m.peer.map_or_else(|| "-".to_owned(), number);
            let ratio = m.ratio().map_or_else(|| "-".to_owned(), number);
            let status = status(figure, m);
            format!(
                "| {id} | {what} | {unit} | {ours} | {peer} | {ratio} | {must} | {aim} | {status} |"
            )
        }
        Err(why) => {
            let why = why.replace('|', "/").replace('\n', " ");
            format!("| {id} | {what} ({why}) | {unit} | - | - | - | {must} | {aim} | skipped |")
        }
    }
}

/// The rows of an earlier table, by figure id.
#[must_use]
pub fn rows_of(table: &str) -> BTreeMap<String, String> {
    let rows = table
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| ---"));
    rows.filter_map(|l| {
        let id = l.split('|').nth(1)?.trim();
        (id != "figure").then(|| (id.to_owned(), l.to_owned()))
    })
    .collect()
}

/// The whole file: every known figure's row, fresh where it ran now, as it stood where it did not, and
/// `skipped` where it never ran.
#[must_use]
pub fn table(figures: &[Figure], fresh: &BTreeMap<&str, String>, before: &str) -> String {
    let earlier = rows_of(before);
    let mut out = String::from(
        "# Scorecard\n\nWritten by `cargo run --release -p benches --bin scorecard [FILTER] [--long]`; do not edit.\n\
         Times are CPU time. `aim` and `met` are good, `not met` is not, `skipped` did not run.\n\n",
    );
    out.push_str(HEAD);
    for figure in figures {
        let never = || {
            row(
                figure,
                &Err("not run yet; --long runs long ones".to_owned()),
            )
        };
        let line = fresh
            .get(figure.id)
            .or_else(|| earlier.get(figure.id))
            .cloned();
        let _ = writeln!(out, "{}", line.unwrap_or_else(never));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limit;

    fn figure(must: Limit, aim: Limit) -> Figure {
        let run = || Err("unused".to_owned());
        let (id, what, unit) = ("a/b", "w", "ns");
        Figure {
            id,
            what,
            unit,
            judge: Judge::Ours,
            must,
            aim,
            long: false,
            run,
        }
    }

    #[test]
    fn status_is_one_of_four_words() {
        let f = figure(Limit::AtMost(10.0), Limit::AtMost(5.0));
        let last = |m| row(&f, &m).rsplit('|').nth(1).map(|s| s.trim().to_owned());
        assert_eq!(last(Ok(Measured::alone(4.0))).as_deref(), Some("aim"));
        assert_eq!(last(Ok(Measured::alone(7.0))).as_deref(), Some("met"));
        assert_eq!(last(Ok(Measured::alone(11.0))).as_deref(), Some("not met"));
        assert_eq!(last(Err("no data".into())).as_deref(), Some("skipped"));
        let ratio = Figure {
            judge: Judge::Ratio,
            ..f
        };
        assert_eq!(status(&ratio, &Measured::alone(4.0)), "not met");
    }

    #[test]
    fn rows_that_did_not_run_are_kept() {
        let f = figure(Limit::AtMost(10.0), Limit::None);
        let fresh = BTreeMap::from([("a/b", row(&f, &Ok(Measured::alone(3.0))))]);
        let first = table(&[f], &fresh, "");
        assert_eq!(table(&[f], &BTreeMap::new(), &first), first);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(120.0), "120");
        assert_eq!(number(f64::NAN), "-");
    }
}
