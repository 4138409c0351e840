//! What a driver knows as a table, once or again and again on a terminal.

use serde_json::Value;
use std::fmt::Write as _;

/// The document of `show` as text.
pub(super) fn text(shown: &Value) -> String {
    let mut text = String::new();
    for service in list(&shown["services"]) {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{}: {}",
            word(&service["name"]),
            word(&service["mode"])
        );
        if service["held"] != 0 {
            let _ = write!(text, ", {} held", service["held"]);
        }
        text.push('\n');
        for endpoint in list(&service["endpoints"]) {
            let _ = writeln!(text, "  {}", row(endpoint));
        }
    }
    let drains: Vec<&str> = list(&shown["drains"]).iter().map(word).collect();
    if !drains.is_empty() {
        let _ = writeln!(text, "drained by name: {}", drains.join(", "));
    }
    if text.is_empty() {
        text.push_str("no service is known\n");
    }
    text
}

fn row(endpoint: &Value) -> String {
    let place = format!("{}/{}", word(&endpoint["region"]), word(&endpoint["node"]));
    let status = match (&endpoint["held"], &endpoint["draining"]) {
        (Value::Bool(true), _) => "held",
        (_, Value::Bool(true)) => "draining",
        _ => word(&endpoint["status"]),
    };
    format!(
        "{:<24} {:<22} {place:<20} {status:<10} weight {:>8.3} of {}",
        word(&endpoint["id"]),
        word(&endpoint["address"]),
        endpoint["weight"].as_f64().unwrap_or_default(),
        endpoint["base_weight"],
    )
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A terminal on which the newest table stands.
pub(super) struct Screen {
    terminal: console::Term,
    lines: usize,
}

impl Screen {
    /// The terminal on standard output, if that is one.
    pub(super) fn new() -> Option<Self> {
        let terminal = console::Term::stdout();
        let lines = 0;
        terminal.is_term().then_some(Self { terminal, lines })
    }

    /// Replaces the table, cut to what fits.
    pub(super) fn show(&mut self, shown: &Value) {
        let (rows, columns) = self.terminal.size();
        let text = crate::answer::escaped(&text(shown));
        let fits = usize::from(rows.saturating_sub(1)).max(1);
        let rows: Vec<String> = text
            .lines()
            .take(fits)
            .map(|line| line.chars().take(usize::from(columns)).collect())
            .collect();
        // A terminal that is gone needs no table.
        let _ = self.terminal.clear_last_lines(self.lines);
        for row in &rows {
            let _ = self.terminal.write_line(row);
        }
        self.lines = rows.len();
    }
}
