//! One chart: curves as an SVG that stretches with the page, labels as HTML, so that they keep their size on a phone.

use super::escape;
use crate::figures::BUCKET;
use std::fmt::Write as _;

/// Most labelled values on the vertical axis, besides zero.
const VALUE_TICKS: f64 = 5.0;
/// Most labelled times; five fit on 320 px.
const TIME_TICKS: f64 = 4.0;
/// The drawing's own units; the browser stretches them to the space there is.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 200.0;

/// One curve: what it shows, the class it is drawn with, a value per chart point.
pub(super) struct Curve {
    pub(super) label: String,
    pub(super) class: String,
    pub(super) values: Vec<f64>,
}

/// A chart with its title, explanation and legend.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) text: String,
    /// Unit of the values, as the accessible description says it.
    pub(super) unit: &'a str,
    /// Whether values are counts, so that a tick between whole numbers makes no sense.
    pub(super) whole: bool,
    /// A limit, drawn as dashes, and its name.
    pub(super) limit: Option<(f64, &'a str)>,
    pub(super) curves: Vec<Curve>,
}

impl Chart<'_> {
    /// The section of the page: time from left to right, zero at the bottom.
    pub(super) fn html(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "<section>\n<h2>{}</h2>", escape(self.title));
        if !self.text.is_empty() {
            let _ = writeln!(out, "<p>{}</p>", escape(&self.text));
        }
        self.legend(&mut out);
        let highest = self.curves.iter().flat_map(|c| &c.values).copied();
        let highest = highest.fold(self.limit.map_or(0.0, |l| l.0), f64::max);
        let step = value_step(highest, self.whole);
        let top = (highest / step).ceil().max(1.0) * step;
        let description = escape(&self.description());
        let _ = writeln!(
            out,
            "<figure role=\"img\" aria-label=\"{description}\">\n<div class=\"y\">"
        );
        let steps = (top / step).round() as u32;
        for i in 0..=steps {
            let value = f64::from(i) * step;
            let (up, text) = (100.0 * value / top, short(value));
            let _ = writeln!(out, "<span style=\"bottom:{up:.2}%\">{text}</span>");
        }
        out.push_str("</div>\n");
        self.drawing(&mut out, top, step);
        self.times(&mut out);
        out.push_str("</figure>\n</section>\n");
        out
    }

    fn legend(&self, out: &mut String) {
        out.push_str("<ul class=\"legend\">");
        for curve in &self.curves {
            let (class, label) = (&curve.class, escape(&curve.label));
            let _ = write!(out, "<li><span class=\"key {class}\"></span>{label}</li>");
        }
        if let Some((_, name)) = self.limit {
            let name = escape(name);
            let _ = write!(out, "<li><span class=\"key limit\"></span>{name}</li>");
        }
        out.push_str("</ul>\n");
    }

    /// What a reader who can't see the curves is told.
    fn description(&self) -> String {
        let mut text = format!("{}.", self.title);
        for curve in &self.curves {
            let n = curve.values.len().max(1) as f64;
            let mean = curve.values.iter().sum::<f64>() / n;
            let highest = curve.values.iter().copied().fold(0.0, f64::max);
            let _ = write!(
                text,
                " {}: mean {}, highest {} {}.",
                curve.label,
                short(mean),
                short(highest),
                self.unit
            );
        }
        text
    }

    fn drawing(&self, out: &mut String, top: f64, step: f64) {
        let y = |value: f64| HEIGHT * (1.0 - value / top);
        let last = (self.points().max(2) - 1) as f64;
        let line = |out: &mut String, class: &str, at: f64| {
            let _ = writeln!(
                out,
                "<line class=\"{class}\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            );
        };
        let _ = writeln!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        );
        for i in 0..=(top / step).round() as u32 {
            line(out, "grid", y(f64::from(i) * step));
        }
        if let Some((limit, _)) = self.limit {
            line(out, "limit", y(limit));
        }
        for curve in &self.curves {
            let mut path = String::new();
            for (i, &value) in curve.values.iter().enumerate() {
                let pen = if i == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{pen}{:.1} {:.1}", WIDTH * i as f64 / last, y(value));
            }
            let _ = writeln!(out, "<path class=\"line {}\" d=\"{path}\"/>", curve.class);
        }
        out.push_str("</svg>\n");
    }

    fn times(&self, out: &mut String) {
        let minutes = self.points().max(1) as f64 * BUCKET as f64 / 60.0;
        let step = time_step(minutes);
        out.push_str("<div class=\"x\">");
        let mut at = 0.0;
        while at <= minutes {
            let left = 100.0 * at / minutes;
            let text = if step < 60.0 {
                format!("{at} min")
            } else {
                format!("{} h", at / 60.0)
            };
            let _ = write!(out, "<span style=\"left:{left:.2}%\">{text}</span>");
            at += step;
        }
        out.push_str("</div>\n");
    }

    /// The number of chart points.
    fn points(&self) -> usize {
        self.curves
            .iter()
            .map(|c| c.values.len())
            .max()
            .unwrap_or(0)
    }
}

/// The distance of the value ticks: 1, 2 or 5 times a power of ten, such that at most [`VALUE_TICKS`] fit; `highest`
/// is finite.
fn value_step(highest: f64, whole: bool) -> f64 {
    let mut power = if whole { 1.0 } else { 1e-3 };
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if power * factor * VALUE_TICKS >= highest {
                return power * factor;
            }
        }
        power *= 10.0;
    }
}

/// The distance of the time ticks in minutes, a part of an hour or of a day that clocks know.
fn time_step(minutes: f64) -> f64 {
    let clock = [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0, 360.0, 720.0];
    let fits = |&step: &f64| minutes / step <= TIME_TICKS;
    let day = 1_440.0;
    let days = || (minutes / (day * TIME_TICKS)).ceil() * day;
    clock.into_iter().find(fits).unwrap_or_else(days)
}

/// A number with at most three decimals and no trailing zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_ticks_are_round() {
        for (highest, whole, want) in [
            (0.0, false, 0.001),
            (3.7, false, 1.0),
            (37.0, false, 10.0),
            (100.0, false, 20.0),
            (101.0, false, 50.0),
            (0.4, true, 1.0),
            (12.0, true, 5.0),
        ] {
            assert_eq!(value_step(highest, whole), want, "{highest}");
        }
    }

    #[test]
    fn time_ticks_are_hours_that_clocks_show() {
        for (minutes, want) in [
            (20.0, 5.0),
            (60.0, 15.0),
            (1_440.0, 360.0),
            (14_400.0, 4_320.0),
        ] {
            assert_eq!(time_step(minutes), want, "{minutes}");
        }
    }
}
