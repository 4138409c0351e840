//! The model: a state, and what requests make of it.

use super::error::KernelError;
use super::properties::DeviceProperties;
use super::{class, filter, qdisc};
use crate::netlink::{ObjectKind, TcMessage};
use crate::object::{DevName, Device};
use crate::observe::ObservedState;
use crate::plan::{Op, Plan};
use alloc::collections::BTreeMap;

/// A simulated kernel: an [`ObservedState`] that answers requests as Linux 6.18 would.
///
/// ```
/// use netshape::kernel::{KernelError, KernelModel};
/// use netshape::tc::{IfIndexes, TickRounding, parse_line};
/// use netshape::{DevName, Device};
///
/// let eth0 = DevName::host("eth0");
/// let mut kernel = KernelModel::new();
/// kernel.put_device(eth0.clone(), Device::new());
///
/// let devices = IfIndexes::from([("eth0".to_owned(), 2)]);
/// let line = "qdisc add dev eth0 root handle 1: htb default 10";
/// let message = parse_line(line, TickRounding::Ceil, &devices)?.unwrap();
/// kernel.request(&eth0, &message)?;
/// assert_eq!(kernel.device(&eth0).unwrap().root().unwrap().kind.name(), "htb");
/// assert_eq!(kernel.request(&eth0, &message), Err(KernelError::QdiscExists));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(alias = "simulator")]
pub struct KernelModel {
    state: ObservedState,
    facts: BTreeMap<DevName, DeviceProperties>,
}

impl From<ObservedState> for KernelModel {
    fn from(state: ObservedState) -> Self {
        Self {
            state,
            facts: BTreeMap::new(),
        }
    }
}

impl KernelModel {
    /// A kernel without devices.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: ObservedState::new(),
            facts: BTreeMap::new(),
        }
    }

    /// What it has now, as [`crate::plan::diff`] takes it.
    #[must_use]
    pub const fn state(&self) -> &ObservedState {
        &self.state
    }

    /// Puts a device in, with what is on it.
    pub fn put_device(&mut self, name: DevName, device: Device) {
        self.state.put_device(name, device);
    }

    /// Takes a device away, as when a container's veth goes.
    pub fn remove_device(&mut self, name: &DevName) -> Option<Device> {
        self.facts.remove(name);
        self.state.remove_device(name)
    }

    /// What is on a device.
    #[must_use]
    pub fn device(&self, name: &DevName) -> Option<&Device> {
        self.state.device(name)
    }

    /// All devices, by name.
    pub fn devices(&self) -> impl Iterator<Item = (&DevName, &Device)> {
        self.state.devices()
    }

    /// Says what a device is like; [`DeviceProperties::default`] is a veth.
    pub fn set_properties(&mut self, name: DevName, facts: DeviceProperties) {
        self.facts.insert(name, facts);
    }

    /// Carries out one step.
    ///
    /// # Errors
    /// What the kernel would answer; nothing is changed then.
    pub fn apply(&mut self, plan: &Plan, op: &Op) -> Result<(), KernelError> {
        let name = plan.device(op).ok_or(KernelError::NoDevice)?;
        self.request(name, &plan.message(op, 0))
    }

    /// Carries out a whole plan.
    ///
    /// # Errors
    /// The first step that fails, by number, with the kernel's answer; the steps before it stand.
    pub fn apply_all(&mut self, plan: &Plan) -> Result<(), (usize, KernelError)> {
        for (i, op) in plan.ops().iter().enumerate() {
            self.apply(plan, op).map_err(|e| (i, e))?;
        }
        Ok(())
    }

    /// Answers one request on a device (its `ifindex` is not looked at, save that -1 means a shared block).
    ///
    /// # Errors
    /// What the kernel would answer; nothing is changed then.
    pub fn request(&mut self, name: &DevName, message: &TcMessage<'_>) -> Result<(), KernelError> {
        let facts = self.facts.get(name).copied().unwrap_or_default();
        if message.ifindex == -1 {
            return self.block_request(message);
        }
        let device = self.state.device_mut(name).ok_or(KernelError::NoDevice)?;
        match message.object {
            ObjectKind::Qdisc => qdisc::request(device, message, facts),
            ObjectKind::Class => class::request(device, message),
            ObjectKind::Filter => filter::request(device, message, facts),
        }
    }

    /// A filter of a shared block is one filter of each device that shares it.
    fn block_request(&mut self, message: &TcMessage<'_>) -> Result<(), KernelError> {
        let block = message.parent.raw();
        let facts = &self.facts;
        let mut found = false;
        for (name, device) in self.state.devices_mut() {
            let Some(parent) = qdisc::hook_of_block(device, block) else {
                continue;
            };
            let mut message = message.clone();
            (message.parent, message.ifindex) = (parent, 0);
            let facts = facts.get(name).copied().unwrap_or_default();
            filter::request(device, &message, facts)?;
            found = true;
        }
        if found {
            Ok(())
        } else {
            Err(KernelError::NoBlock)
        }
    }
}
