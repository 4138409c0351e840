//! A whole engine, seen from outside.

mod bench;
mod configs;
mod forget;
mod hints;
mod outliers;
mod paths;
mod reconcile;
mod restart;
