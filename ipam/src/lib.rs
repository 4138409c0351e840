//! IP address management as a pure core: shared pools, sticky and fixed addresses that follow a workload, quarantine, hand-over between hosts.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
