//! `berth-bandwidth`: a CNI chain plugin that takes the configuration of the CNI project's bandwidth plugin unchanged. It shapes both directions of a
//! container's veth as `netshape` plans it: repeated, an ADD changes only what differs, and a DEL leaves nothing.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod attached;
#[cfg(target_os = "linux")]
mod call;
#[cfg(target_os = "linux")]
mod config;
#[cfg(target_os = "linux")]
mod shaping;
#[cfg(target_os = "linux")]
mod subnets;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    call::run()
}

/// What it shapes is the Linux kernel's.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("berth-bandwidth: works on Linux only");
    ExitCode::FAILURE
}
