//! A model of the kernel: what its shaping objects are after a request, and what it answers.

mod apply;

pub use apply::KernelError;

use crate::device::{DevName, Device};
use crate::plan::{Op, Plan};
use alloc::collections::BTreeMap;

/// The shaping objects of a machine's devices: as observed, or as a model that plans are tried on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    devices: BTreeMap<DevName, Device>,
}

impl Kernel {
    /// A machine without devices.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            devices: BTreeMap::new(),
        }
    }

    /// Puts a device in, with what is on it.
    pub fn put_device(&mut self, name: DevName, device: Device) {
        self.devices.insert(name, device);
    }

    /// Takes a device away, as when a container's veth goes.
    pub fn remove_device(&mut self, name: &DevName) -> Option<Device> {
        self.devices.remove(name)
    }

    /// What is on a device.
    #[must_use]
    pub fn device(&self, name: &DevName) -> Option<&Device> {
        self.devices.get(name)
    }

    /// All devices, by name.
    pub fn devices(&self) -> impl Iterator<Item = (&DevName, &Device)> {
        self.devices.iter()
    }

    /// Carries out one step.
    ///
    /// # Errors
    /// What the kernel would answer; nothing is changed then.
    pub fn apply(&mut self, plan: &Plan, op: &Op) -> Result<(), KernelError> {
        let name = plan.device(op).ok_or(KernelError::NoDevice)?;
        let device = self.devices.get_mut(name).ok_or(KernelError::NoDevice)?;
        apply::apply(device, op)
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
}
