//! The policy file: TOML or JSON, told apart by what it says.

use super::{named, read};
use crate::answer::Failure;
use netshape::policy::PolicyFile;
use std::path::Path;

/// Reads a policy.
pub(super) fn read_policy(path: &Path) -> Result<PolicyFile, Failure> {
    let text = read(path)?;
    let place = path.display().to_string();
    // No TOML document begins with a brace.
    if text.trim_start().starts_with('{') {
        return named::json(&text, &place);
    }
    named::toml(&text, &place)
}
