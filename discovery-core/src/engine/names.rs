//! Names of services, nodes, zones and regions: what is a name, and who still uses one.

use alloc::string::ToString;

use crate::endpoint::MAX_NAME;
use crate::error::{InputError, RestoreError};
use crate::id::Names;

/// Refuses what is no name.
pub(super) fn valid(name: &str) -> Result<(), InputError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(InputError::Name { given: name.len() });
    }
    Ok(())
}

/// Refuses the number of a place that has no name.
pub(super) fn known(kind: &'static str, names: &Names, given: u32) -> Result<(), InputError> {
    if names.name(given).is_some() {
        return Ok(());
    }
    let known = names.len();
    Err(InputError::UnknownPlace { kind, given, known })
}

/// Refuses to remove what endpoints still name.
pub(super) fn unused(kind: &'static str, given: u32, endpoints: usize) -> Result<(), InputError> {
    match endpoints {
        0 => Ok(()),
        _ => Err(InputError::InUse {
            kind,
            given,
            endpoints,
        }),
    }
}

/// Gives the next number to a name of a snapshot; an empty one is a number that was free.
pub(super) fn put_back(
    names: &mut Names,
    name: &str,
    kind: &'static str,
) -> Result<u32, RestoreError> {
    let full = InputError::Full { kind };
    if name.is_empty() {
        return Ok(names.append(None).ok_or(full)?);
    }
    valid(name)?;
    if names.find(name).is_some() {
        return Err(RestoreError::Twice {
            kind,
            name: name.to_string(),
        });
    }
    Ok(names.append(Some(name)).ok_or(full)?)
}
