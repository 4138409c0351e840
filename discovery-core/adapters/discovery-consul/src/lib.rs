#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod catalog;
mod client;
mod plan;
mod sink;
mod watch;

pub use client::UrlError;
pub use sink::Consul;
