//! Whether requests are shared out as the weights say: some are picked each second, and once an hour the counts
//! are held against what was due.

use super::broken;
use super::traffic::{Traffic, at};
use crate::error::Error;
use crate::figures::Figures;
use discovery_core::Picker;
use discovery_core::pick::Request;

/// Requests picked for each service in each second to check the shares.
const PICKS: u64 = 4;
/// Seconds over which shares are compared.
const SHARE_WINDOW: u64 = 3_600;

impl Traffic {
    /// Picks some requests of every service and, once an hour, holds the shares of the picks against those of
    /// the weights.
    pub(super) fn pick(
        &mut self,
        second: u64,
        last: bool,
        figures: &mut Figures,
    ) -> Result<(), Error> {
        let request = Request::new(at(second));
        let close = last || (second + 1).is_multiple_of(SHARE_WINDOW);
        for service in self.services.iter_mut().filter(|s| s.total > 0) {
            let slots = service.picker.slots();
            service.picked.resize(slots.max(service.picked.len()), 0);
            service
                .expected
                .resize(slots.max(service.expected.len()), 0.0);
            let each = PICKS as f64 / service.total as f64;
            for (slot, expected) in service.expected.iter_mut().enumerate() {
                *expected += each * f64::from(service.picker.weight(slot));
            }
            for _ in 0..PICKS {
                let slot = service.picker.pick(&request);
                let Some(count) = slot.and_then(|s| service.picked.get_mut(s)) else {
                    let what = format!("{} has weight and nobody was picked", service.name);
                    return Err(broken(second, "discovery-core", &what));
                };
                *count += 1;
            }
            figures.picks += PICKS;
        }
        if close {
            self.compare(figures);
        }
        Ok(())
    }

    fn compare(&mut self, figures: &mut Figures) {
        for service in &mut self.services {
            let picks: u64 = service.picked.iter().sum();
            for (picked, expected) in service.picked.iter().zip(&service.expected) {
                let error = (*picked as f64 - expected).abs() / picks.max(1) as f64;
                figures.share_error_max = figures.share_error_max.max(error);
            }
            service.picked.fill(0);
            service.expected.fill(0.0);
        }
    }
}
