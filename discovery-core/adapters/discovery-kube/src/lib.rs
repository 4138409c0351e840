#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod slice;
mod source;
mod view;

pub use source::{KubeConnectError, KubeReport, KubeSource};

/// What a source is built with, of the version that it uses.
pub use kube::Client;
