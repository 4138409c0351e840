//! The observed state of a machine's devices.

use crate::object::{DevName, Device};
use alloc::collections::BTreeMap;

/// The shaping objects of a machine's devices, as they were observed.
///
/// ```
/// use netshape::{DevName, Device, ObservedState};
///
/// let mut device = Device::new();
/// device.ifindex = Some(2);
/// let state = ObservedState::from_iter([(DevName::host("eth0"), device)]);
/// assert_eq!(state.device(&DevName::host("eth0")).unwrap().ifindex, Some(2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(alias = "snapshot")]
pub struct ObservedState {
    devices: BTreeMap<DevName, Device>,
    /// How many devices take GSO packets of each size.
    gso: BTreeMap<u32, usize>,
}

impl ObservedState {
    /// A machine without devices.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            devices: BTreeMap::new(),
            gso: BTreeMap::new(),
        }
    }

    /// Puts a device in, with what is on it, in exchange for what was known of it. O(log n).
    pub fn put_device(&mut self, name: DevName, device: Device) {
        if let Some(size) = device.gso_max_size {
            *self.gso.entry(size).or_default() += 1;
        }
        let old = self.devices.insert(name, device);
        self.uncount(old.as_ref());
    }

    fn uncount(&mut self, gone: Option<&Device>) {
        let Some(size) = gone.and_then(|d| d.gso_max_size) else {
            return;
        };
        if let Some(count) = self.gso.get_mut(&size) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.gso.remove(&size);
            }
        }
    }

    /// The largest GSO packet that any device says it takes: packets keep the size that they had where they were sent, so a
    /// device may be given larger ones than its own.
    #[must_use]
    pub fn gso_max_size(&self) -> Option<u32> {
        self.gso.last_key_value().map(|(size, _)| *size)
    }

    /// Takes a device away, as when a container's veth goes.
    pub fn remove_device(&mut self, name: &DevName) -> Option<Device> {
        let gone = self.devices.remove(name);
        self.uncount(gone.as_ref());
        gone
    }

    /// What is on a device.
    #[must_use]
    pub fn device(&self, name: &DevName) -> Option<&Device> {
        self.devices.get(name)
    }

    /// How many devices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// All devices, by name.
    pub fn devices(&self) -> impl Iterator<Item = (&DevName, &Device)> {
        self.devices.iter()
    }

    /// A device whose objects a kernel model changes; its GSO size stays.
    pub(crate) fn device_mut(&mut self, name: &DevName) -> Option<&mut Device> {
        self.devices.get_mut(name)
    }

    /// All devices, likewise.
    pub(crate) fn devices_mut(&mut self) -> impl Iterator<Item = (&DevName, &mut Device)> {
        self.devices.iter_mut()
    }
}

/// A later device of the same name replaces an earlier one.
impl FromIterator<(DevName, Device)> for ObservedState {
    fn from_iter<I: IntoIterator<Item = (DevName, Device)>>(devices: I) -> Self {
        let mut state = Self::new();
        state.extend(devices);
        state
    }
}

impl Extend<(DevName, Device)> for ObservedState {
    fn extend<I: IntoIterator<Item = (DevName, Device)>>(&mut self, devices: I) {
        for (name, device) in devices {
            self.put_device(name, device);
        }
    }
}
