//! `berth ipam`: addresses in a store that processes share.

mod args;
mod claims;
mod collect;
mod pools;
mod session;
mod text;

pub use args::IpamArgs;

use crate::answer::{Answer, Failure};
use args::{Action, HostAction, MoveAction, PoolAction};
use session::Session;

/// Runs the command.
///
/// # Errors
/// A [`Failure`] with its exit status: 1 the answer is no, 2 bad input, 3 the store failed.
pub fn run(args: &IpamArgs) -> Result<Answer, Failure> {
    let mut session = Session::open(args)?;
    if !matches!(args.action, Action::Fsck(_)) {
        session.warn_of_damage();
    }
    match &args.action {
        Action::Pool { action } => match action {
            PoolAction::Add(add) => pools::add(&mut session, add),
            PoolAction::List => Ok(pools::list(&session)),
            PoolAction::Rm { name } => pools::remove(&mut session, name),
            PoolAction::Drain { name, undo } => pools::drain(&mut session, name, !undo),
            PoolAction::Grow { name, cidr } => pools::grow(&mut session, name, *cidr),
        },
        Action::Claim(claim) => claims::claim(&mut session, claim),
        Action::Renew {
            owner,
            sequence,
            lease,
        } => claims::renew(&mut session, owner, *sequence, *lease),
        Action::Release { owner, sequence } => claims::release(&mut session, owner, *sequence),
        Action::Show { owner } => claims::show(&session, owner.as_deref()),
        Action::Reserve(reserve) => pools::reserve(&mut session, reserve),
        Action::Move { action } => match action {
            MoveAction::Begin {
                workload,
                interface,
                from,
                to,
            } => claims::begin_move(&mut session, (workload, interface), from, to),
            MoveAction::Finish {
                workload,
                interface,
                owner,
            } => claims::finish_move(&mut session, (workload, interface), owner),
            MoveAction::Abort {
                workload,
                interface,
            } => claims::abort_move(&mut session, (workload, interface)),
        },
        Action::Host { action } => match action {
            HostAction::Set(set) => pools::set_host(&mut session, set),
        },
        Action::Gc(gc) => collect::gc(&mut session, gc),
        Action::Fsck(fsck) => collect::fsck(&mut session, fsck),
        Action::Routes(routes) => collect::routes(&session, routes),
        Action::Dump => collect::dump(&session),
        Action::Load { file, replace } => collect::load(&mut session, file, *replace),
    }
}
