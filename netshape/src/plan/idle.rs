//! Ifbs of ours that nobody needs any more.

use crate::object::{DevName, Filter};
use crate::observe::state::ObservedState;
use crate::plan::ownership;
use crate::policy::Host;
use crate::policy::ifb::is_ifb_name;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Ifbs that a plan of ours once needed ([`Plan::required_devices`](crate::plan::Plan::required_devices)) and that can be removed: they have our
/// name, the policy does not want them, they carry no qdisc of ours, and no filter in their namespace redirects to them.
///
/// They are told from other devices by their name alone: see that it is an ifb before it is removed. Observe after the plan was
/// carried out.
///
/// ```
/// use netshape::plan::{diff, idle_ifbs};
/// use netshape::policy::EgressPoint;
/// use netshape::{Capabilities, Container, DevName, Device, Direction, Host, ObservedState, Rate, Shape};
///
/// let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
/// let shape = Shape::new(Rate::ZERO, Rate::mbit(50))?;
/// let web = Container::new("web-1", "veth1")?.with_egress_point(EgressPoint::Ifb, "eth0")?;
/// host.insert(web.with_shape(Direction::Egress, shape))?;
///
/// let ifb = diff(&ObservedState::new(), &host).required_devices()[0].clone();
/// let mut observed = ObservedState::new();
/// observed.put_device(ifb.clone(), Device::new());
/// assert!(idle_ifbs(&observed, &host).is_empty());
/// host.remove("web-1");
/// assert_eq!(idle_ifbs(&observed, &host), [ifb]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use]
pub fn idle_ifbs(observed: &ObservedState, host: &Host) -> Vec<DevName> {
    if host.held.everything() {
        return Vec::new();
    }
    let held = host.held.devices();
    let led_to = led_to(observed);
    let idle = observed.devices().filter(|(name, seen)| {
        let needed = host.devices.contains(*name) || held.contains(name);
        let shaped = seen.root().is_some_and(ownership::reserved);
        let target = seen
            .ifindex
            .is_some_and(|i| led_to.contains(&(&name.netns, i)));
        is_ifb_name(&name.dev) && !needed && !shaped && !target
    });
    idle.map(|(name, _)| name.clone()).collect()
}

/// The devices that some filter sends to, by namespace and number.
fn led_to(observed: &ObservedState) -> BTreeSet<(&crate::object::Netns, i32)> {
    let of = |filter: &Filter| {
        let target = ownership::redirects_to(filter)?;
        i32::try_from(target).ok()
    };
    let pairs = observed.devices().flat_map(|(name, seen)| {
        let targets = seen.filters().iter().filter_map(of);
        targets.map(move |target| (&name.netns, target))
    });
    pairs.collect()
}
