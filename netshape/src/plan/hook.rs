//! The ingress hook of a veth whose container is shaped on an ifb: our redirect comes first, whatever else is there.
//!
//! A filter that is asked before ours ends the search for every packet that it matches, so that those would pass our class by. It
//! is never pushed aside in silence: the container's egress is refused, or, where what is foreign may be moved, the filter goes
//! and is added again behind ours, its original in the inverse.

use super::disruption::Disruption;
use super::filter_words::made_as;
use super::filter_words::said;
use super::left_alone::LeftAlone;
use super::op::{Before, Object, Op};
use super::ownership::{REDIRECT_NODE, REDIRECT_PRIO};
use super::readd::Targets;
use super::reason::{Action, Reason};
use super::redirect::Redirect;
use super::steps::Plan;
use super::{ownership, readd};
use crate::netlink::ObjectKind;
use crate::object::{DevName, Device, Filter, FilterKind, Handle, Qdisc, QdiscKind};
use crate::observe::state::ObservedState;
use crate::policy::RefusalKind;
use crate::policy::ifb::ifb_name;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Root table of the first u32 priority on a hook.
const FIRST_TABLE: u32 = 0x8000_0000;
/// All protocols (`ETH_P_ALL`).
const ALL: u16 = 3;
/// First node number that the kernel gives out.
const FIRST_NODE: u32 = 0x800;

/// What is to be done on a hook.
pub(super) struct Steps {
    veth: DevName,
    ops: Vec<(Action, Object, Before)>,
    left: Vec<LeftAlone>,
    targets: Targets,
    needs: Option<DevName>,
}

fn hook(device: &Device) -> Option<Handle> {
    match device.qdisc_at(Handle::INGRESS)?.kind {
        QdiscKind::Clsact => Some(Handle::HOOK_INGRESS),
        _ => Some(Handle::INGRESS_QDISC),
    }
}

/// The filters on a device's ingress hook.
fn nodes(seen: &Device) -> impl Iterator<Item = &Filter> {
    let filters = seen.filters().iter();
    filters.filter(|f| ownership::on_hook(f) && ownership::is_node(f))
}

/// Whether a filter of the first chain is asked before `mine`; before there is one, whatever has its priority is.
fn first(filter: &Filter, mine: Option<&Filter>) -> bool {
    if filter.chain != 0 || filter.prio > REDIRECT_PRIO {
        return false;
    }
    let Some(mine) = mine.filter(|m| m.prio == filter.prio) else {
        return true;
    };
    let alike = matches!(filter.kind, FilterKind::U32(_)) && filter.protocol == mine.protocol;
    !alike || filter.handle & 0xf_ffff < mine.handle & 0xf_ffff
}

/// A filter's steps, gathered in the order in which they are taken.
impl Steps {
    fn add(&mut self, object: Object) {
        self.ops.push((Action::Add, object, Before::Nothing));
    }

    fn delete(&mut self, object: Object) {
        let before = Before::Object(Box::new(object.clone()));
        self.ops.push((Action::Delete, object, before));
    }

    /// Appends the steps to a plan.
    pub(super) fn finish(self, plan: &mut Plan) {
        let number = plan.device_number(&self.veth);
        for (action, object, before) in self.ops {
            let disruption = match (&object, action) {
                (Object::Redirect(_), Action::Delete) => Disruption::Unshaped,
                _ => Disruption::Free,
            };
            let reason = match action {
                _ if matches!(object, Object::Filter(_)) => Reason::Moved,
                Action::Delete => Reason::InTheWay,
                _ => Reason::Missing,
            };
            plan.ops.push(Op {
                device: number,
                action,
                disruption,
                reason,
                object,
                before,
            });
        }
        plan.left_alone.extend(self.left);
        plan.know(self.targets);
        if let Some(ifb) = self.needs.filter(|n| !plan.needs.contains(n)) {
            plan.needs.push(ifb);
        }
    }
}

/// Steps for the veth's ingress hook. The ifb's own tree comes before them, so that nothing passes it unshaped.
///
/// # Errors
/// A filter that comes before ours and has to stay there.
pub(super) fn steps(
    observed: &ObservedState,
    veth: &DevName,
    ifb: &DevName,
    takeover: bool,
) -> Result<Steps, RefusalKind> {
    let nothing = Device::new();
    let seen = observed.device(veth).unwrap_or(&nothing);
    let known = observed.device(ifb).and_then(|d| d.ifindex);
    let ifindex = known.and_then(|i| u32::try_from(i).ok()).unwrap_or(0);
    let (mine, others): (Vec<&Filter>, Vec<&Filter>) =
        nodes(seen).partition(|f| ownership::redirect(f, veth, observed));
    let right = |f: &&&Filter| ifindex != 0 && matches_all(f) && redirects(f, ifindex);
    let good = mine.iter().find(right).copied();
    let mut steps = Steps {
        veth: veth.clone(),
        ops: Vec::new(),
        left: Vec::new(),
        targets: Targets::new(),
        needs: observed.device(ifb).is_none().then(|| ifb.clone()),
    };
    let parent = hook(seen).unwrap_or_else(|| {
        let qdisc = Qdisc::new(Handle::INGRESS_QDISC, Handle::INGRESS, QdiscKind::Ingress);
        steps.add(Object::Qdisc(qdisc));
        Handle::INGRESS_QDISC
    });
    // Ours, and not as it must be: it leads elsewhere, or there are two.
    for stale in mine.iter().filter(|f| good.is_none_or(|g| g != **f)) {
        steps.delete(redirect_of(stale, veth, ifb, observed));
    }
    let (front, behind): (Vec<&Filter>, Vec<&Filter>) = others.iter().partition(|f| first(f, good));
    let moved = moved(&front, (veth, ifb), observed, takeover, &mut steps.targets)?;
    let staying: Vec<&Filter> = behind.iter().copied().chain(good).collect();
    delete_moved(&moved, &staying, &mut steps);
    if let Some(empty) = empty(seen).filter(|_| good.is_none()) {
        delete_empty(empty, veth, takeover, &mut steps)?;
    }
    let places = Places::new(seen, good, &front);
    if good.is_none() {
        steps.add(Object::Redirect(Box::new(Redirect {
            parent,
            handle: places.table.unwrap_or(0) | REDIRECT_NODE,
            to: ifb.dev.clone(),
            ifindex,
        })));
    }
    for filter in places.behind(moved) {
        steps.add(Object::Filter(Box::new(filter)));
    }
    steps
        .left
        .extend(behind.iter().map(|f| behind_ours(f, veth)));
    Ok(steps)
}

/// The filters in front as they are added again.
///
/// # Errors
/// One has to stay where it is.
fn moved(
    front: &[&Filter],
    (veth, ifb): (&DevName, &DevName),
    observed: &ObservedState,
    takeover: bool,
    targets: &mut Targets,
) -> Result<Vec<Filter>, RefusalKind> {
    let again = front.iter().map(|filter| {
        let said = format!("{} of {veth}", said(filter));
        if !takeover {
            let ifb = ifb.to_string();
            return Err(RefusalKind::FilterInFront { filter: said, ifb });
        }
        readd::again(filter, veth, observed, targets).map_err(|why| {
            RefusalKind::FilterNotRestorable {
                filter: said,
                reason: why,
            }
        })
    });
    again.collect()
}

fn delete_moved(moved: &[Filter], staying: &[&Filter], steps: &mut Steps) {
    for (i, filter) in moved.iter().enumerate() {
        // The last of a priority takes the priority along: emptied one by one it might stay, with its protocol.
        let rest = moved.get(i + 1..).unwrap_or(&[]).iter();
        let mut rest = rest.chain(staying.iter().copied());
        let last = rest.all(|f| f.prio != filter.prio || f.chain != filter.chain);
        let handle = if last {
            made_as(filter.handle)
        } else {
            filter.handle
        };
        let filter = Filter {
            handle,
            ..filter.clone()
        };
        steps.delete(Object::Filter(Box::new(filter)));
    }
}

/// A priority with nothing in it that is kept for another protocol or kind.
fn delete_empty(
    empty: &Filter,
    veth: &DevName,
    takeover: bool,
    steps: &mut Steps,
) -> Result<(), RefusalKind> {
    if !takeover {
        let filter = format!("{} of {veth}", said(empty));
        let why = "its priority is kept for another protocol or kind, though nothing is in it: take that off, or take over".into();
        return Err(RefusalKind::FilterNotRestorable {
            filter,
            reason: why,
        });
    }
    steps.delete(Object::Filter(Box::new(empty.clone())));
    Ok(())
}

/// The row of our priority where others have it and left nothing in it: the kernel lets no other protocol in.
fn empty(seen: &Device) -> Option<&Filter> {
    let ours = |f: &&Filter| ownership::on_hook(f) && f.chain == 0 && f.prio == REDIRECT_PRIO;
    let mut rows = seen.filters().iter().filter(ours);
    let head = rows.clone().find(|f| f.handle == 0)?;
    let alike = head.protocol == ALL && matches!(head.kind, FilterKind::U32(_));
    (!alike && rows.all(|f| !ownership::is_node(f))).then_some(head)
}

/// A redirect as it was observed, for taking it off; it may lead to another device than the one it is meant for.
fn redirect_of(filter: &Filter, veth: &DevName, ifb: &DevName, observed: &ObservedState) -> Object {
    let to = ownership::redirects_to(filter);
    let to = to.and_then(|n| readd::name_of(n, veth, observed));
    Object::Redirect(Box::new(Redirect::of(
        filter,
        to.unwrap_or_else(|| ifb.dev.clone()),
    )))
}

fn behind_ours(filter: &Filter, veth: &DevName) -> LeftAlone {
    LeftAlone {
        object: ObjectKind::Filter,
        device: veth.clone(),
        handle: Handle::from_raw(filter.handle),
        reason: format!(
            "a filter of priority {} that is not ours, behind ours, which takes every packet",
            filter.prio
        ),
    }
}

/// Where filters go that are added again.
struct Places {
    /// Root table of the redirect's priority, where it is certain.
    table: Option<u32>,
    /// Our filter's node number.
    mine: u32,
    /// Priorities in use on the hook once what moves is gone.
    prios: Vec<u16>,
    /// Node numbers in use in the redirect's priority.
    taken: Vec<u32>,
}

impl Places {
    fn new(seen: &Device, good: Option<&Filter>, front: &[&Filter]) -> Self {
        let stays = |f: &&Filter| !front.contains(f);
        let u32s = |f: &&Filter| matches!(f.kind, FilterKind::U32(_)) && ownership::on_hook(f);
        let mut others = seen.filters().iter().filter(u32s);
        // A priority's table has the first number where no other u32 priority is left; else the kernel picks one.
        let alone = others.all(|f| f.prio == REDIRECT_PRIO);
        let table = match good {
            Some(good) => Some(good.handle & 0xfff0_0000),
            None => alone.then_some(FIRST_TABLE),
        };
        let staying: Vec<&Filter> = nodes(seen).filter(stays).collect();
        let same = |f: &&&Filter| f.prio == REDIRECT_PRIO;
        Self {
            table,
            mine: good.map_or(REDIRECT_NODE, |g| g.handle & 0xfff),
            prios: staying.iter().map(|f| f.prio).collect(),
            taken: staying
                .iter()
                .filter(same)
                .map(|f| f.handle & 0xfff)
                .collect(),
        }
    }

    /// Gives each a place behind ours: in the same priority where that can be said, else in one of its own.
    fn behind(mut self, moved: Vec<Filter>) -> Vec<Filter> {
        let place = |mut filter: Filter| {
            let table = self.table.filter(|_| filter.protocol == ALL);
            if let Some(table) = table {
                let own = filter.handle & 0xfff;
                let fits = |n: &u32| *n > self.mine && !self.taken.contains(n);
                let free = (FIRST_NODE.max(self.mine)..=0xfff).find(fits);
                if let Some(node) = Some(own).filter(fits).or(free) {
                    self.taken.push(node);
                    (filter.prio, filter.handle) = (REDIRECT_PRIO, table | node);
                    return filter;
                }
            }
            let free = |p: &u16| !self.prios.contains(p);
            let prio = (REDIRECT_PRIO + 1..u16::MAX).find(free);
            (filter.prio, filter.handle) = (prio.unwrap_or(u16::MAX), 0);
            self.prios.push(filter.prio);
            filter
        };
        moved.into_iter().map(place).collect()
    }
}

/// Whether a filter matches every packet.
fn matches_all(filter: &Filter) -> bool {
    let FilterKind::U32(u32) = &filter.kind else {
        return false;
    };
    filter.protocol == ALL && u32.sel().is_none_or(|s| s.keys.iter().all(|k| k.mask == 0))
}

fn redirects(filter: &Filter, ifindex: u32) -> bool {
    ownership::redirects_to(filter) == Some(ifindex)
}

/// Takes our redirect off a veth that is not to have one, and the hook if nothing else is on it.
pub(super) fn release(observed: &ObservedState, veth: &DevName, plan: &mut Plan) {
    let Some(seen) = observed.device(veth) else {
        return;
    };
    let (mine, others): (Vec<&Filter>, Vec<&Filter>) =
        nodes(seen).partition(|f| ownership::redirect(f, veth, observed));
    if mine.is_empty() {
        return;
    }
    let number = plan.device_number(veth);
    let mut stale = |object: Object, disruption| {
        plan.ops.push(Op {
            device: number,
            action: Action::Delete,
            disruption,
            reason: Reason::Stale,
            before: Before::Object(Box::new(object.clone())),
            object,
        });
    };
    let ifb = DevName {
        netns: veth.netns.clone(),
        dev: ifb_name(&veth.dev),
    };
    for filter in mine {
        stale(
            redirect_of(filter, veth, &ifb, observed),
            Disruption::Unshaped,
        );
    }
    let hook = seen.qdisc_at(Handle::INGRESS);
    let alone = |q: &&Qdisc| q.kind == QdiscKind::Ingress && q.extras.is_none();
    if let Some(qdisc) = hook.filter(|q| others.is_empty() && alone(q)) {
        stale(Object::Qdisc(qdisc.clone()), Disruption::Free);
    }
}
