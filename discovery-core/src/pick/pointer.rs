//! Pickers behind pointers.

use alloc::boxed::Box;
use core::time::Duration;

use super::picker::{Picker, Request};
use crate::health::CallOutcome;
use crate::time::Timestamp;

/// Hands every method on.
macro_rules! forward {
    ($pointer:ty) => {
        impl<P: Picker + ?Sized> Picker for $pointer {
            fn pick(&mut self, request: &Request) -> Option<usize> {
                (**self).pick(request)
            }

            fn pick_except(&mut self, request: &Request, tried: &[usize]) -> Option<usize> {
                (**self).pick_except(request, tried)
            }

            fn set_weight(&mut self, slot: usize, weight: u32) {
                (**self).set_weight(slot, weight);
            }

            fn weight(&self, slot: usize) -> u32 {
                (**self).weight(slot)
            }

            fn slots(&self) -> usize {
                (**self).slots()
            }

            fn done(&mut self, slot: usize, now: Timestamp, latency: Duration) {
                (**self).done(slot, now, latency);
            }

            fn ended(
                &mut self,
                slot: usize,
                now: Timestamp,
                latency: Duration,
                outcome: CallOutcome,
            ) {
                (**self).ended(slot, now, latency, outcome);
            }

            fn free(&mut self, slot: usize, now: Timestamp) {
                (**self).free(slot, now);
            }
        }
    };
}

forward!(Box<P>);
forward!(&mut P);
