//! The scorecard's vocabulary: a [`Figure`] knows how to measure itself, what it must reach and what it
//! aims for; [`card`] turns outcomes into the table in `benches/SCORECARD.md`.
//!
//! Each area's figures stand in a module of its own and are listed in [`figures`].
#![forbid(unsafe_code)]

pub mod card;
pub mod cni;
pub mod days;
pub mod discovery;
pub mod ipam;
pub mod measure;
pub mod netshape;
pub mod place;
pub mod replay;

use std::fmt;

/// The side of a limit that is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The figure must be at most this.
    AtMost(f64),
    /// The figure must be at least this.
    AtLeast(f64),
    /// The figure must be from the first to the second.
    Within(f64, f64),
    /// No limit was set.
    None,
}

impl Limit {
    /// Whether `value` is on the good side; an unset limit is never reached.
    #[must_use]
    pub fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Within(least, most) => (least..=most).contains(&value),
            Self::None => false,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<= {}", card::number(*limit)),
            Self::AtLeast(limit) => write!(f, ">= {}", card::number(*limit)),
            Self::Within(least, most) => write!(f, "{least} to {most}"),
            Self::None => f.write_str("-"),
        }
    }
}

/// Which number the limits speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Ours.
    Ours,
    /// Ours divided by the peer's.
    Ratio,
}

/// What one run of a figure gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Our value, in the figure's unit.
    pub ours: f64,
    /// The peer's or the comparison's value, in the same unit, from the same run.
    pub peer: Option<f64>,
}

impl Measured {
    /// A value without a peer.
    #[must_use]
    pub fn alone(ours: f64) -> Self {
        Self { ours, peer: None }
    }

    /// A value beside a peer's.
    #[must_use]
    pub fn beside(ours: f64, peer: f64) -> Self {
        Self {
            ours,
            peer: Some(peer),
        }
    }

    /// Ours over the peer's, where there is a peer.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| self.ours / peer)
    }
}

/// One row of the scorecard.
#[derive(Clone, Copy)]
pub struct Figure {
    /// `area/what`, matched by the scorecard's filter.
    pub id: &'static str,
    /// What is measured, with the peer's name where there is one.
    pub what: &'static str,
    /// Unit of ours and the peer's value.
    pub unit: &'static str,
    /// Which number the limits speak of.
    pub judge: Judge,
    /// The bar.
    pub must: Limit,
    /// What we are here for.
    pub aim: Limit,
    /// Needs more than 60 s: runs with `--long` only.
    pub long: bool,
    /// Measures it; `Err` says why it could not run here (the row is then `skipped`).
    pub run: fn() -> Result<Measured, String>,
}

/// Every figure, in the order of the table.
#[must_use]
pub fn figures() -> Vec<Figure> {
    [
        replay::figures(),
        days::figures(),
        ipam::figures(),
        cni::figures(),
        netshape::figures(),
        discovery::figures(),
        place::figures(),
    ]
    .concat()
}

/// The READMEs' examples, compiled and run as doctests: this crate sees all cores and is not published. (The other cores'
/// READMEs are their crate pages.)
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../ipam/README.md")]
pub struct ReadmeExamples;
