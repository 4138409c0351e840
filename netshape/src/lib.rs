//! Traffic-shaping plans as a pure core: a bandwidth policy becomes an exact HTB tree and the smallest in-place change.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
