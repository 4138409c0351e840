//! Addresses that an IP controller gave (`ipam-kube`): they are looked up here, and neither given nor released.

use crate::allocator::{Allocator, failed};
use crate::answer::Address;
use crate::error::{Code, Refusal};
use ipam::claim::{ClaimRef, Lease};
use ipam::{Ipam, Store, Timestamp};
use std::convert::Infallible;
use std::time::Duration;

/// How often an ADD looks for what the controller has not given yet, and the pause between: ten seconds in all, of the minutes that a
/// runtime has.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

impl<S: Store> Allocator<S> {
    /// What the controller gave an owner; waits for it for a while.
    pub(crate) async fn given<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        wait: &mut impl FnMut(Duration) -> W,
    ) -> Result<Vec<Address>, Refusal> {
        for look in 0..LOOKS {
            if look > 0 {
                wait(PAUSE).await;
            }
            // Reading everything is for when the few records that are needed do not tell.
            let whole = look == 0 || look + 1 == LOOKS;
            if let Some(leases) = self.look(now, owner, whole, wait).await? {
                let address = |lease: Lease| Address {
                    address: lease.address,
                    prefix_length: lease.prefix_length,
                    gateway: lease.gateway,
                };
                return Ok(leases.into_iter().map(address).collect());
            }
        }
        let message = format!("the IP controller has given `{owner}` nothing yet");
        Err(Refusal::new(Code::TryAgainLater, message)
            .details("does `berth ipam kube` run? the pod's events and its log tell more"))
    }

    /// What an owner has.
    pub(crate) async fn look<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        whole: bool,
        wait: &mut impl FnMut(Duration) -> W,
    ) -> Result<Option<Vec<Lease>>, Refusal> {
        let of = |ipam: &Ipam| ipam.claim_of(owner).map(ClaimRef::leases);
        let known = self
            .part()
            .try_with_claim(
                now,
                owner,
                |ipam| Ok::<_, Infallible>((of(ipam), Vec::new())),
                wait,
            )
            .await;
        match known.map_err(|e| failed(&e))? {
            Some(leases) => Ok(leases),
            None if !whole => Ok(None),
            // Nothing is held, or only the whole state tells.
            None => Ok(of(self.whole(now).await?.ipam())),
        }
    }
}
