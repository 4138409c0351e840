//! The policy file: TOML or JSON, told apart by what it says; and addresses of containers from what `berth ipam show` prints.

use super::{FileArg, named, read};
use crate::answer::Failure;
use clap::Args;
use netshape::policy::PolicyFile;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the commands that read a policy are told about it.
#[derive(Clone, Debug, Args)]
pub(super) struct PolicyArgs {
    /// The policy, TOML or JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) desired: FileArg,
    /// Claims, as `berth ipam show --json` prints them: a container that says no `addresses` has those of the claims whose owner is its id,
    /// alone or with an interface (`web-1`, `web-1/eth0`).
    #[arg(long, value_name = "FILE")]
    pub(super) addresses: Option<FileArg>,
}

/// What is read of claims; the rest is not looked at.
#[derive(Deserialize)]
struct Claims {
    claims: Vec<Claim>,
}

#[derive(Deserialize)]
struct Claim {
    owner: String,
    addresses: Vec<Claimed>,
}

#[derive(Deserialize)]
struct Claimed {
    address: String,
}

/// Reads a policy, with the addresses of its containers.
pub(super) fn read_policy(args: &PolicyArgs) -> Result<PolicyFile, Failure> {
    let text = read(&args.desired)?;
    let place = args.desired.display().to_string();
    // No TOML document begins with a brace.
    let mut policy: PolicyFile = match text.trim_start().starts_with('{') {
        true => named::json(&text, &place)?,
        false => named::toml(&text, &place)?,
    };
    if let Some(path) = &args.addresses {
        let claims: Claims = named::json(&read(path)?, &path.display().to_string())?;
        give(&mut policy, claims);
    }
    Ok(policy)
}

/// Gives containers without addresses those that were claimed for them.
fn give(policy: &mut PolicyFile, claims: Claims) {
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for claim in claims.claims {
        let id = claim
            .owner
            .split_once('/')
            .map_or(&*claim.owner, |(id, _)| id);
        let addresses = claim.addresses.into_iter().map(|a| a.address);
        by_id.entry(id.to_owned()).or_default().extend(addresses);
    }
    let bare = policy
        .container
        .iter_mut()
        .filter(|c| c.addresses.is_empty());
    for container in bare {
        if let Some(claimed) = by_id.get(&container.id) {
            container.addresses.clone_from(claimed);
        }
    }
}
