//! What Berth made and nobody wants any more: a direction that the policy no longer shapes, the other method's tree and redirect, a
//! device that left the policy. Known by its reserved numbers alone, so that it goes whoever planned it.

use super::disruption::Disruption;
use super::left_alone::KEPT;
use super::left_alone::LeftAlone;
use super::op::{Before, Object, Op};
use super::reason::{Action, Reason};
use super::steps::Plan;
use super::{hook, ownership};
use crate::netlink::ObjectKind;
use crate::object::{DevName, Device, Handle, Netns, Qdisc};
use crate::observe::state::ObservedState;
use crate::policy::host::layout::ONLY;
use crate::policy::host::member::Touch;
use crate::policy::ifb::ifb_name;
use crate::policy::{Container, Direction, EgressPoint, Host};
use crate::text::shell_line;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;

/// Steps for everything observed that is ours and not wanted. After the steps for what is wanted, so that a container which
/// changes its method is shaped the new way before the old one goes. O(observed devices · log n).
pub(super) fn leftovers(observed: &ObservedState, host: &Host, plan: &mut Plan) {
    if host.held.everything() {
        return report_kept(observed, host, plan);
    }
    let held = host.held.devices();
    let redirected = redirected(host);
    let named = named(host);
    // Redirects first: what they lead to shapes nobody's traffic then.
    for (name, seen) in observed.devices() {
        let wanted = redirected.contains(name) || held.contains(name);
        if !wanted && !seen.filters().is_empty() {
            hook::release(observed, name, plan);
        }
    }
    let unseen = Unseen::new(observed, host);
    for (name, seen) in observed.devices() {
        if host.devices.contains(name) || held.contains(name) {
            continue;
        }
        let Some(root) = seen.root() else { continue };
        let kept = match () {
            () if host.held.namespaces() && name.netns != Netns::Host => Some(ELSEWHERE),
            () if unseen.may_be(name) => Some(UNSEEN),
            () => None,
        };
        if let Some(why) = kept.filter(|_| ownership::reserved(root)) {
            plan.left_alone.push(LeftAlone {
                object: ObjectKind::Qdisc,
                device: name.clone(),
                handle: root.handle,
                reason: why.into(),
            });
        } else if ownership::reserved(root)
            || (kept.is_none() && named.contains(name) && ownership::earlier_tree(seen))
        {
            let number = plan.device_number(name);
            plan.ops.push(whole(number, root, seen, Reason::Stale));
        } else if ownership::earlier(root, u32::from(ONLY)) {
            plan.left_alone.push(orphan(name, root));
        }
    }
}

/// One namespace may be known by a name or by a process. Which of the two are wanted, and were not observed so?
struct Unseen {
    named: bool,
    pid: bool,
}

impl Unseen {
    fn new(observed: &ObservedState, host: &Host) -> Self {
        let ends = host
            .containers()
            .filter_map(|(_, c)| c.device(Direction::Egress));
        let unseen = ends.filter(|name| observed.device(name).is_none());
        let none = Self {
            named: false,
            pid: false,
        };
        unseen.fold(none, |found, name| Self {
            named: found.named || name.netns.name().is_some(),
            pid: found.pid || name.netns.pid().is_some(),
        })
    }

    /// Whether a device may be one that is wanted under another name of its namespace.
    const fn may_be(&self, name: &DevName) -> bool {
        match name.netns {
            Netns::Host => false,
            Netns::Named(_) => self.pid,
            Netns::Pid(_) => self.named,
        }
    }
}

/// A device that looks as earlier versions left it, and that no policy or plan of this host knows.
fn orphan(name: &DevName, root: &Qdisc) -> LeftAlone {
    let why = format!(
        "not wanted: shaped like a container's device, but no container of the policy has it; `{}` would take that off",
        remove_root(name)
    );
    LeftAlone {
        object: ObjectKind::Qdisc,
        device: name.clone(),
        handle: root.handle,
        reason: why,
    }
}

/// The command that takes a root qdisc off a device, in the device's own network namespace, for a POSIX shell.
fn remove_root(name: &DevName) -> alloc::string::String {
    let mut words = name.netns.enter();
    let rest = ["tc", "qdisc", "delete", "dev", &*name.dev, "root"];
    words.extend(rest.map(Into::into));
    shell_line(&words)
}

/// Where nothing may be removed: what would have gone is said.
fn report_kept(observed: &ObservedState, host: &Host, plan: &mut Plan) {
    for (name, seen) in observed.devices() {
        let root = seen.root().filter(|r| ownership::reserved(r));
        let Some(root) = root.filter(|_| !host.devices.contains(name)) else {
            continue;
        };
        plan.left_alone.push(LeftAlone {
            object: ObjectKind::Qdisc,
            device: name.clone(),
            handle: root.handle,
            reason: format!("not wanted, and stays: {KEPT}"),
        });
    }
}

const UNSEEN: &str = "not wanted under this name, and stays: the policy has containers in namespaces that were not observed, by name or by process, and this may be one of them";
const ELSEWHERE: &str = "not wanted, and stays: a section of the policy is refused whose container is not shaped where the section says, and this may be where it is";

/// The devices whose traffic is to be redirected to an ifb: veths, and the uplink.
fn redirected(host: &Host) -> BTreeSet<DevName> {
    let by_ifb =
        |c: &&Container| c.inside == EgressPoint::Ifb && c.shape(Direction::Egress).is_some();
    let containers = host.containers().map(|(_, c)| c).filter(by_ifb);
    let veths = containers.filter_map(|c| c.veth.clone());
    let ingress = host.uplink_device(Direction::Ingress);
    let uplink = ingress.and_then(|_| host.uplink_place(Direction::Egress));
    veths.map(DevName::on_host).chain(uplink).collect()
}

/// The devices that the policy names, or that the host itself released since the last plan, shaped or not.
fn named(host: &Host) -> BTreeSet<DevName> {
    let places = host.containers().flat_map(|(_, c)| c.places());
    let gone = host.touched.iter().filter_map(|touch| match touch {
        Touch::Dropped(name) => Some((**name).clone()),
        _ => None,
    });
    places.chain(gone).collect()
}

/// A device that the host released: its root goes if it is ours, and the redirect that is on it.
pub(super) fn dropped(observed: &ObservedState, host: &Host, name: &DevName, plan: &mut Plan) {
    let Some(seen) = observed.device(name) else {
        return;
    };
    if host.devices.contains(name) || host.held.everything() {
        return;
    }
    let ours = |r: &&Qdisc| ownership::reserved(r) || ownership::earlier_tree(seen);
    let Some(root) = seen.root().filter(ours) else {
        return;
    };
    if host.held.devices().contains(name) {
        return;
    }
    let number = plan.device_number(name);
    plan.ops.push(whole(number, root, seen, Reason::Stale));
}

/// A veth that is redirected to an ifb no more.
pub(super) fn unhooked(observed: &ObservedState, host: &Host, veth: &DevName, plan: &mut Plan) {
    let ifb = DevName {
        netns: veth.netns.clone(),
        dev: ifb_name(&veth.dev),
    };
    let held = host.held.everything() || host.held.devices().contains(veth);
    if !held && !host.devices.contains(&ifb) {
        hook::release(observed, veth, plan);
    }
}

/// Deleting a root qdisc with all below it.
pub(super) fn whole(number: u32, root: &Qdisc, seen: &Device, reason: Reason) -> Op {
    let mut tree = seen.clone();
    tree.retain(|q| q.parent != Handle::INGRESS, |_| true);
    tree.retain_filters(|f| f.parent.major() != Handle::INGRESS_QDISC.major());
    Op {
        device: number,
        action: Action::Delete,
        disruption: Disruption::Unshaped,
        reason,
        object: Object::Qdisc(root.clone()),
        before: Before::Tree(Box::new(tree)),
    }
}
