//! Service discovery as a pure core: health, drain, slow start, weighted picking and registry convergence.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
