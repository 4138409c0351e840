//! Ranges of configuration fields, and the errors that say them.

use core::time::Duration;

use crate::error::{ConfigError, InputError};

/// The longest duration of any configuration, in milliseconds.
pub(crate) const YEAR_MS: u64 = 366 * 86_400 * 1_000;

/// Whether a field is in its range.
pub(crate) fn within(
    field: &'static str,
    given: u64,
    least: u64,
    most: u64,
) -> Result<(), ConfigError> {
    if given < least || given > most {
        return Err(ConfigError {
            field,
            given,
            least,
            most,
        });
    }
    Ok(())
}

/// Whether a number with a fraction is finite and in its range.
pub(crate) fn fraction(
    field: &'static str,
    given: f64,
    least: f64,
    most: f64,
) -> Result<(), InputError> {
    // No comparison holds for NaN, and infinities are beyond any range.
    if given >= least && given <= most {
        return Ok(());
    }
    Err(InputError::Fraction {
        field,
        given,
        least,
        most,
    })
}

/// Whether a duration is at least a millisecond and at most a year, in milliseconds.
pub(crate) fn span(field: &'static str, given: Duration) -> Result<(), ConfigError> {
    within(
        field,
        u64::try_from(given.as_millis()).unwrap_or(u64::MAX),
        1,
        YEAR_MS,
    )
}
