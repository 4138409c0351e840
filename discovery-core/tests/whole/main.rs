//! A whole engine, seen from outside.

mod bench;
mod clock;
mod configs;
mod forget;
mod hints;
mod holds;
mod outliers;
mod paths;
mod probes;
mod reconcile;
mod restart;
mod together;
