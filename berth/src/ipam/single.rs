//! Commands for one owner, from the few records that they need: what they cost does not grow with the store.

use super::args::{Action, ClaimArgs, ReleaseArgs, RenewArgs};
use super::claims::{Wish, granted};
use super::leases::{released, renewed};
use super::stores::{Opened, Runner, failure};
use crate::answer::{Answer, Failure};
use ipam::change::ChangeKind;
use ipam::claim::{ClaimRef, ReleaseError, RenewError};
use ipam::store::PartialReplica;
use ipam::{Change, Ipam, PoolSpec, Store, Timestamp};
use std::time::Duration;

/// Answers a command that needs few records; nothing where it needs the whole state, also to say why not.
pub(super) fn answer(opened: &mut Opened, action: &Action) -> Result<Option<Answer>, Failure> {
    let mut single = Single {
        part: PartialReplica::new(&mut opened.store, opened.seed),
        runner: &opened.runner,
        now: opened.now,
        place: &opened.place,
    };
    match action {
        Action::Claim(args) => single.claim(args),
        Action::Release(args) => single.release(args),
        Action::Renew(args) => single.renew(args),
        _ => Ok(None),
    }
}

/// What such a command works with.
struct Single<'s> {
    part: PartialReplica<&'s mut Box<dyn Store>>,
    runner: &'s Runner,
    now: Timestamp,
    place: &'s str,
}

fn pause(pause: Duration) -> std::future::Ready<()> {
    std::thread::sleep(pause);
    std::future::ready(())
}

impl Single<'_> {
    fn claim(&mut self, args: &ClaimArgs) -> Result<Option<Answer>, Failure> {
        let failed = |e: &_| failure(e, self.place);
        // Only where the command does not say of which family the address is to be do pools.
        let pools: Vec<PoolSpec> = match args.family {
            Some(_) => Vec::new(),
            None => {
                let pools = self.runner.run(self.part.pools(), self.place)?;
                pools.map_err(|e| failed(&e))?
            }
        };
        let wish = Wish::new(pools.iter(), args)?;
        let request = wish.request();
        let claim = self.part.try_claim(self.now, &request, pause);
        let grant = self.runner.run(claim, self.place)?;
        let grant = grant.map_err(|e| failed(&e))?;
        let workload = args.workload.as_deref();
        Ok(grant.map(|grant| granted(&args.owner, workload, &args.interface, &grant)))
    }

    fn release(&mut self, args: &ReleaseArgs) -> Result<Option<Answer>, Failure> {
        let Some(owner) = &args.whose.owner else {
            return Ok(None);
        };
        let sequence = self.with_claim(owner, |ipam| {
            let held = || ipam.claim_of(owner).map(ClaimRef::sequence);
            let sequence = args.sequence.or_else(held).unwrap_or_default();
            let change = ipam.decide_release(owner, sequence)?.into_owned();
            Ok::<_, ReleaseError>((sequence, vec![change]))
        })?;
        Ok(sequence.map(|sequence| released(owner, sequence)))
    }

    fn renew(&mut self, args: &RenewArgs) -> Result<Option<Answer>, Failure> {
        let (Some(owner), Some(sequence)) = (&args.whose.owner, args.sequence) else {
            return Ok(None);
        };
        let until = self.with_claim(owner, |ipam| {
            let change = ipam.decide_renew(owner, sequence, args.lease)?.into_owned();
            let until = match &change.kind {
                ChangeKind::Renewed { until, .. } => *until,
                _ => None,
            };
            Ok::<_, RenewError>((until, vec![change]))
        })?;
        Ok(until.map(|until| renewed(owner, sequence, until)))
    }

    fn with_claim<T, E>(
        &mut self,
        owner: &str,
        decide: impl FnMut(&Ipam) -> Result<(T, Vec<Change<'static>>), E>,
    ) -> Result<Option<T>, Failure> {
        let done = self.part.try_with_claim(self.now, owner, decide, pause);
        let done = self.runner.run(done, self.place)?;
        done.map_err(|e| failure(&e, self.place))
    }
}
