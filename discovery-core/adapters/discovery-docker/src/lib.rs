#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod container;
mod events;
mod follow;
mod label;
mod source;
mod view;

pub use source::{DockerSource, Settings};
