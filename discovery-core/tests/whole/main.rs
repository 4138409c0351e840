//! A whole engine, seen from outside.

mod bench;
mod configs;
mod hints;
mod outliers;
mod paths;
mod reconcile;
mod restart;
