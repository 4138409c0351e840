//! A whole engine, seen from outside.

mod bench;
mod clock;
mod configs;
mod hints;
mod holds;
mod outliers;
mod paths;
mod probes;
mod reconcile;
mod remove;
mod restart;
mod together;
