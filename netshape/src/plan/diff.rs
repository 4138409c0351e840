//! From observed to wanted, by the way that loses least.
//!
//! Order on a device: what is stale or in the way goes, deepest first; then classes shrink; then classes grow and new
//! ones come, parents first, each with its leaf. So the sum below a class is never over it on the way, and an inner
//! class exists before a leaf carries traffic.

use super::leftover::{dropped, leftovers, unhooked};
use super::steps::Plan;
use super::tree_diff::{device, same_root};
use super::work::Work;
use super::{classify, front, hook, leaf, ownership};
use crate::object::{DevName, Device, Handle};
use crate::observe::state::ObservedState;
use crate::policy::host::layout::{ONLY, OWN};
use crate::policy::host::member::Touch;
use crate::policy::host::tree::root;
use crate::policy::host::weight::{On, gso};
use crate::policy::{Direction, EgressPoint, Host, Refusal, RefusalKind, Slot};
use alloc::format;
use alloc::vec::Vec;

/// The plan from what was observed to all that the host wants, and away from all that is ours and that it does not want. O(n log n)
/// in devices, O(n) in classes, observed and wanted.
///
/// ```
/// use netshape::kernel::KernelModel;
/// use netshape::plan::diff;
/// use netshape::{Capabilities, DevName, Device, Host};
///
/// # use netshape::{Container, Direction, Rate, Shape};
/// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
/// # let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
/// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
/// let mut kernel = KernelModel::new();
/// kernel.put_device(DevName::host("veth1"), Device::new());
/// let plan = diff(kernel.state(), &host); // a root qdisc, its class, the class's queue
/// assert_eq!(plan.len(), 3);
/// kernel.apply_all(&plan).map_err(|(_, e)| e)?;
/// assert!(diff(kernel.state(), &host).is_empty());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use]
#[doc(alias = "reconcile")]
pub fn diff(observed: &ObservedState, host: &Host) -> Plan {
    let mut plan = Plan::new(host.caps.tick_rounding);
    plan.ops.reserve(host.device_count() * 4);
    plan.devices.reserve(host.device_count());
    let mut found = 0;
    // Whether there is anything beside what is wanted; mostly there is not, and nobody need look for it.
    let mut hooked = false;
    for direction in UPLINK {
        if let Some(name) = host.uplink_device(direction) {
            whole_uplink(observed, direction, &name, host, &mut plan);
            let seen = observed.device(&name);
            found += usize::from(seen.is_some());
            hooked |= has_hook_filters(seen);
        }
    }
    hooked &= host.uplink_device(Direction::Ingress).is_none();
    let mut wanted = Device::new();
    for (slot, container) in host.containers() {
        plan.refused.extend(host.unclassified(slot));
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(name) = host.device(slot, direction) {
                let seen = observed.device(&name);
                found += usize::from(seen.is_some());
                let by_ifb =
                    direction == Direction::Ingress && container.inside != EgressPoint::Ifb;
                hooked |= by_ifb && has_hook_filters(seen);
                one_way(
                    observed,
                    host,
                    (slot, direction),
                    (&name, seen),
                    &mut wanted,
                    &mut plan,
                );
            }
        }
    }
    if hooked || found < observed.len() {
        leftovers(observed, host, &mut plan);
    }
    plan
}

/// The plan for one device alone, with the redirect to it where it is an ifb; of a device that the host does not want shaped, what
/// is ours goes. O(n) in its classes, observed and wanted; a container's device is looked up by name in O(containers).
#[must_use]
pub fn diff_device(observed: &ObservedState, host: &Host, name: &DevName) -> Plan {
    let mut plan = Plan::new(host.caps.tick_rounding);
    if let Some(direction) = host.uplink_direction(name) {
        whole_uplink(observed, direction, name, host, &mut plan);
        return plan;
    }
    match host.shaped_by(name) {
        Some(whose) => {
            let mut wanted = Device::new();
            let place = (name, observed.device(name));
            one_way(observed, host, whose, place, &mut wanted, &mut plan);
        }
        None => dropped(observed, host, name, &mut plan),
    }
    plan
}

/// The plan for what changed in the host since the last call, and nothing else. O(changes · log n); O(n log n) where the smallest weight
/// changed, since all quanta follow from it, or addresses of the uplink.
///
/// ```
/// use netshape::kernel::KernelModel;
/// use netshape::plan::{Action, diff_touched};
/// use netshape::{Capabilities, DevName, Device, Host};
///
/// # use netshape::{Container, Direction, Rate, Shape};
/// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
/// # let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
/// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
/// let mut kernel = KernelModel::new();
/// kernel.put_device(DevName::host("veth1"), Device::new());
/// let first = diff_touched(kernel.state(), &mut host);
/// kernel.apply_all(&first).map_err(|(_, e)| e)?;
///
/// let web = host.slot("web-1").unwrap();
/// host.allocate(web, Direction::Ingress, Some(Rate::mbit(80)));
/// let plan = diff_touched(kernel.state(), &mut host);
/// assert_eq!(plan.ops()[0].action, Action::Change); // in place
/// assert_eq!((plan.len(), plan.disruptions().free), (1, 1));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use]
pub fn diff_touched(observed: &ObservedState, host: &mut Host) -> Plan {
    let mut plan = Plan::new(host.caps.tick_rounding);
    let mut touched = core::mem::take(&mut host.touched);
    touched.sort_unstable();
    touched.dedup();
    let host = &*host;
    let mut classes: Vec<u16> = Vec::new();
    let whole = touched.contains(&Touch::Uplink);
    let mut wanted = Device::new();
    for touch in &touched {
        match touch {
            Touch::Uplink | Touch::Addresses => {}
            Touch::Class(minor) => classes.push(*minor),
            // What went may have come again since.
            Touch::Dropped(name) => dropped(observed, host, name, &mut plan),
            Touch::Unhooked(veth) => unhooked(observed, host, veth, &mut plan),
            Touch::Device(slot, direction) => {
                // Once for both directions.
                let other = Touch::Device(*slot, Direction::Ingress);
                if *direction == Direction::Ingress || !touched.contains(&other) {
                    plan.refused.extend(host.unclassified(*slot));
                }
                if let Some(name) = host.device(*slot, *direction) {
                    let (whose, place) = ((*slot, *direction), (&name, observed.device(&name)));
                    one_way(observed, host, whose, place, &mut wanted, &mut plan);
                }
            }
        }
    }
    let addresses = touched.contains(&Touch::Addresses);
    let names = UPLINK.map(|d| Some((d, host.uplink_device(d)?)));
    for (direction, name) in names.into_iter().flatten() {
        if whole {
            whole_uplink(observed, direction, &name, host, &mut plan);
        } else if addresses || !classes.is_empty() {
            let what = (&*classes, addresses);
            uplink_classes(observed, direction, what, &name, host, &mut plan);
        }
    }
    plan
}

/// The directions of the uplink in the order in which they are planned.
const UPLINK: [Direction; 2] = [Direction::Egress, Direction::Ingress];

fn has_hook_filters(seen: Option<&Device>) -> bool {
    seen.is_some_and(|d| d.filters().iter().any(ownership::on_hook))
}

/// One direction of a container: its own device, and the redirect to that where it is an ifb.
fn one_way(
    observed: &ObservedState,
    host: &Host,
    (slot, direction): (Slot, Direction),
    (name, seen): (&DevName, Option<&Device>),
    wanted: &mut Device,
    plan: &mut Plan,
) {
    let Some(container) = host.container(slot) else {
        return;
    };
    let by_ifb = direction == Direction::Egress && container.inside == EgressPoint::Ifb;
    let veth = container.veth.as_ref().filter(|_| by_ifb);
    let veth = veth.map(|veth| DevName::on_host(veth.clone()));
    let takeover = host.caps.takeover && !host.held.everything();
    let redirect = veth.map(|veth| hook::steps(observed, &veth, name, takeover));
    let redirect = match redirect.transpose() {
        Ok(steps) => steps,
        Err(kind) => return refuse(host, Some((slot, direction)), kind, plan),
    };
    host.veth_tree(slot, direction, on(observed, seen, ONLY, host), wanted);
    match device(seen, wanted, name, (observed, host), plan) {
        Ok(true) => redirect.into_iter().for_each(|steps| steps.finish(plan)),
        // Nothing is sent to a device that somebody else shapes.
        Ok(false) => {}
        Err(kind) => refuse(host, Some((slot, direction)), kind, plan),
    }
}

/// What can't be had is said, with its place in the policy.
fn refuse(host: &Host, whose: Option<(Slot, Direction)>, kind: RefusalKind, plan: &mut Plan) {
    let field = match whose {
        None => "host.uplink".into(),
        Some((slot, direction)) => format!("{}.{}", host.place(slot), direction.name()),
    };
    plan.refused.push(Refusal { field, kind });
}

/// What is known of a device that a tree is made for.
fn on(observed: &ObservedState, seen: Option<&Device>, default: u16, host: &Host) -> On {
    let largest = observed.gso_max_size().unwrap_or(0);
    let gso = gso(largest.max(host.caps.gso_max_size));
    let major = ownership::major(seen, default);
    let only = seen.and_then(|d| d.class(Handle::new(major, ONLY)));
    let alone = only.map_or(gso, |c| c.htb.quantum.max(1));
    On { major, gso, alone }
}

/// One direction of the uplink; towards the host with the redirect to its ifb, which comes last.
fn whole_uplink(
    observed: &ObservedState,
    direction: Direction,
    name: &DevName,
    host: &Host,
    plan: &mut Plan,
) {
    let takeover = host.caps.takeover && !host.held.everything();
    let uplink = host.uplink_place(Direction::Egress);
    let uplink = uplink.filter(|_| direction == Direction::Ingress);
    let redirect = uplink.map(|uplink| hook::steps(observed, &uplink, name, takeover));
    let redirect = match redirect.transpose() {
        Ok(steps) => steps,
        Err(kind) => return refuse(host, None, kind, plan),
    };
    let mut wanted = Device::new();
    let seen = observed.device(name);
    let on = on(observed, seen, OWN, host);
    host.uplink_tree(direction, on, &mut wanted);
    if let Some(seen) = seen.filter(|_| host.held.everything()) {
        host.make_room(seen, &mut wanted);
    }
    match device(seen, &wanted, name, (observed, host), plan) {
        Ok(true) => redirect.into_iter().for_each(|steps| steps.finish(plan)),
        Ok(false) => {}
        Err(kind) => refuse(host, None, kind, plan),
    }
}

/// The uplink's changed classes, and its filters where `addresses` changed; the whole device where its root is not yet ours.
fn uplink_classes(
    observed: &ObservedState,
    direction: Direction,
    (minors, addresses): (&[u16], bool),
    name: &DevName,
    host: &Host,
    plan: &mut Plan,
) {
    let seen = observed.device(name);
    let on = on(observed, seen, OWN, host);
    let root = root(on, OWN);
    let fits = |d: &&Device| d.root().is_some_and(|r| same_root(r, &root));
    let free = |d: &&Device| {
        front::hook(d, name).is_ok()
            && !host.held.everything()
            && (!addresses || classify::clear(d, root.handle))
    };
    let Some(seen) = seen.filter(fits).filter(free) else {
        return whole_uplink(observed, direction, name, host, plan);
    };
    let mut work = Work::new(plan.device_number(name), name, (observed, host));
    work.classes_only = !addresses;
    let wanted = |id: Handle| {
        (
            host.uplink_class(direction, id.minor(), on),
            host.uplink_leaf(direction, id.minor(), on),
        )
    };
    for minor in minors {
        let id = Handle::new(on.major, *minor);
        let (class, leaf) = wanted(id);
        work.class(seen, seen.class(id), class.as_ref(), || leaf.is_some());
        if class.is_some() {
            leaf::leaf(&mut work, seen, seen.qdisc_at(id), leaf.as_ref());
        }
    }
    work.finish(seen, &wanted, plan);
}
