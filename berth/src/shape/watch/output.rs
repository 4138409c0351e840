//! What is shown of each interval: a table on a terminal, a line of JSON elsewhere.

use super::usage::Row;
use netshape::Rate;
use netshape::text::printable;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::SystemTime;

/// Rows on a terminal: those who send most.
const MOST: usize = 40;

pub(super) struct Output {
    table: bool,
}

impl Output {
    /// `lines`: JSON was asked for.
    pub(super) fn new(lines: bool) -> Self {
        let table = !lines && std::io::stdout().is_terminal();
        Self { table }
    }

    pub(super) fn show(&mut self, rows: &[Row]) {
        let text = match self.table {
            // Back to the top, and what was below it goes.
            true => format!("\x1b[H\x1b[J{}", table(rows)),
            false => line(rows),
        };
        let mut out = std::io::stdout().lock();
        // Whoever reads may have gone; watching goes on.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    pub(super) fn end(&self) {
        if self.table {
            println!();
        }
    }
}

fn line(rows: &[Row]) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at = now.map_or(0.0, |d| d.as_secs_f64());
    format!("{}\n", json!({"unix_seconds": at, "containers": rows}))
}

fn table(rows: &[Row]) -> String {
    let mut order: Vec<&Row> = rows.iter().collect();
    order.sort_by(|a, b| {
        let key = |r: &Row| {
            (
                std::cmp::Reverse(r.sent_bits_per_second),
                r.id.clone(),
                r.direction,
            )
        };
        key(a).cmp(&key(b))
    });
    let mut text = format!(
        "{:<24} {:<8} {:>14} {:>14} {:>14} {:>10}  state\n",
        "container", "way", "sent", "may send", "guarantee", "waiting"
    );
    for row in order.iter().take(MOST) {
        let rate = |bits| Rate::from_bits(bits).to_string();
        let state = match (row.throttled, row.borrows, row.sent_bits_per_second) {
            (true, true, _) => "throttled, borrows",
            (true, false, _) => "throttled",
            (false, true, _) => "borrows",
            (false, false, 0) => "idle",
            (false, false, _) => "",
        };
        let id: String = printable(&row.id).to_string().chars().take(24).collect();
        let _ = writeln!(
            text,
            "{id:<24} {:<8} {:>14} {:>14} {:>14} {:>10}  {state}",
            row.direction,
            rate(row.sent_bits_per_second),
            rate(row.allowed_bits_per_second),
            rate(row.guarantee_bits_per_second),
            row.backlog_bytes,
        );
    }
    let throttled = rows.iter().filter(|r| r.throttled).count();
    let borrow = rows.iter().filter(|r| r.borrows).count();
    let _ = writeln!(
        text,
        "{} in all, {throttled} throttled, {borrow} borrow",
        rows.len()
    );
    text
}
