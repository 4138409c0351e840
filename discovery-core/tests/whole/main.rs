//! A whole engine, seen from outside.

mod bench;
mod hints;
mod outliers;
mod paths;
mod reconcile;
mod restart;
