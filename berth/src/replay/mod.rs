//! `berth replay`: a day of real load through the four cores.
pub mod trace;
pub mod upsample;
