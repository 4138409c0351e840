//! `berth ipam`: addresses in a store that processes share.

mod args;
mod claims;
mod collect;
mod counts;
#[cfg(feature = "kube")]
mod kube;
mod leases;
mod look;
mod pools;
mod routes;
mod serve;
mod session;
mod show;
mod single;
mod stores;
mod text;

pub(crate) use args::duration;
pub use args::{EtcdArgs, IpamArgs};

use crate::answer::{Answer, Failure};
use args::{Action, HostAction, MoveAction, PoolAction};
use session::Session;

#[cfg(not(feature = "kube"))]
mod kube {
    use super::args::KubeArgs;
    use super::session::Session;
    use crate::answer::{Answer, Failure};

    pub(super) fn serve(_: Session, _: &KubeArgs) -> Result<Answer, Failure> {
        let message =
            "this berth was built without Kubernetes: build it with `--features kube` (or `full`)";
        Err(Failure::input(message, "kube"))
    }
}

/// Runs the command.
///
/// # Errors
/// A [`Failure`] with its exit status: 1 the answer is no, 2 bad input, 3 the store failed.
pub fn run(args: &IpamArgs) -> Result<Answer, Failure> {
    // Names come from anywhere and may hold line ends: a message about them is one line all the same.
    answered(args).map_err(Failure::in_one_line)
}

fn answered(args: &IpamArgs) -> Result<Answer, Failure> {
    args.action.check_names()?;
    let mut opened = stores::open(args)?;
    if let Some(answer) = single::answer(&mut opened, &args.action)? {
        return Ok(answer);
    }
    let mut session = Session::read(opened)?;
    if !matches!(args.action, Action::Fsck(_)) {
        session.warn_of_damage();
    }
    match &args.action {
        Action::Pool { action } => match action {
            PoolAction::Add(add) => pools::add(&mut session, add),
            PoolAction::List => Ok(pools::list(&session)),
            PoolAction::Rm { name } => pools::remove(&mut session, name),
            PoolAction::Drain { name, undo } => pools::drain(&mut session, name, !undo),
            PoolAction::Change(change) => pools::change(&mut session, change),
            PoolAction::Grow { name, cidr } => pools::grow(&mut session, name, *cidr),
        },
        Action::Claim(claim) => claims::claim(&mut session, claim),
        Action::Renew(renew) => leases::renew(&mut session, renew),
        Action::Release(release) => leases::release(&mut session, release),
        Action::Who { address } => look::who(&session, *address),
        Action::Explain(claim) => look::explain(&session, claim),
        Action::Show { owner } => show::show(&session, owner.as_deref()),
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
        Action::Routes(routes) => routes::routes(&session, args.store.as_deref(), routes),
        Action::Serve(serve) => serve::serve(session, serve),
        Action::Kube(kube) => kube::serve(session, kube),
        Action::Dump => collect::dump(&session),
        Action::Load { file, replace } => collect::load(&mut session, file, *replace),
    }
}

impl Action {
    /// A name that nothing can have is a mistake of whoever typed it, whichever the command.
    fn check_names(&self) -> Result<(), Failure> {
        let whose = |w: &'_ args::Whose| {
            [
                ("--owner", w.owner.clone()),
                ("--host", w.host.clone()),
                ("--workload", w.workload.clone()),
            ]
        };
        let some = |option, name: &str| (option, Some(name.to_owned()));
        let names = match self {
            Self::Renew(renew) => whose(&renew.whose).to_vec(),
            Self::Release(release) => whose(&release.whose).to_vec(),
            Self::Show { owner } => vec![("--owner", owner.clone())],
            Self::Routes(routes) => vec![("--host", routes.host.clone())],
            Self::Serve(serve) => vec![some("--host", &serve.host)],
            Self::Host {
                action: HostAction::Set(set),
            } => vec![some("HOST", &set.name)],
            Self::Move { action } => match action {
                MoveAction::Begin {
                    workload, from, to, ..
                } => vec![
                    some("--workload", workload),
                    some("--from", from),
                    some("--to", to),
                ],
                MoveAction::Finish {
                    workload, owner, ..
                } => {
                    vec![some("--workload", workload), some("--owner", owner)]
                }
                MoveAction::Abort { workload, .. } => vec![some("--workload", workload)],
            },
            _ => Vec::new(),
        };
        let named = names
            .into_iter()
            .filter_map(|(option, name)| Some((option, name?)));
        for (option, name) in named {
            ipam::pool::check_name(&name).map_err(|e| Failure::input(e.to_string(), option))?;
        }
        Ok(())
    }

    /// Whether the command writes to the store.
    fn writes(&self) -> bool {
        match self {
            Self::Pool { action } => !matches!(action, PoolAction::List),
            Self::Fsck(fsck) => fsck.repair,
            Self::Who { .. }
            | Self::Explain(_)
            | Self::Show { .. }
            | Self::Routes(_)
            | Self::Dump => false,
            _ => true,
        }
    }
}
