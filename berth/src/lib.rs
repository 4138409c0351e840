//! The platform's own binary as a library: command line, answers, and one module per command.
//!
//! Every command prints for people by default and, with `--json`, one JSON document on standard output and
//! nothing else there. Progress and logs go to standard error. Exit status: 0 done, 1 the answer is no,
//! 2 bad usage or input, 3 I/O.
#![forbid(unsafe_code)]

pub mod answer;
pub mod cli;
pub mod discover;
mod examples;
pub mod ipam;
mod outputs;
pub mod place;
pub mod process;
pub mod replay;
mod service;
pub mod shape;
