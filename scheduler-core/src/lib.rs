//! Placement and protection as a pure core: overload detection, victims, destinations and safely ordered migration plans.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
