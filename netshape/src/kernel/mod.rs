//! A model of the kernel: what its shaping objects are after a request, and what it answers, silent acceptances included
//! (a parent class that is missing makes a root class; a change of parent is taken and ignored; a filter may point at no
//! class). Checked against the dumps of every captured set-up.

mod class;
mod error;
mod filter;
mod qdisc;

pub use error::KernelError;

use crate::device::{DevName, Device};
use crate::handle::Handle;
use crate::object::FilterKind;
use crate::plan::{Op, Plan};
use crate::wire::{TcMessage, What};
use alloc::collections::BTreeMap;

/// What a model must know of a device beside its shaping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `txqueuelen`: the limit of a pfifo without one, and of HTB's direct queue.
    pub tx_queue_len: u32,
    /// Hardware queues.
    pub tx_queues: u16,
    /// Bytes of the largest packet with its header.
    pub frame: u32,
    /// Whether the kernel has `fq_codel`.
    pub fq_codel: bool,
    /// Whether u32 matches marks (`CONFIG_CLS_U32_MARK`); without it a kernel takes them and drops them silently.
    pub u32_mark: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            tx_queue_len: 1000,
            tx_queues: 1,
            frame: 1514,
            fq_codel: true,
            u32_mark: true,
        }
    }
}

/// The shaping objects of a machine's devices: as observed, or as a model that plans are tried on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    devices: BTreeMap<DevName, Device>,
    /// How many devices take GSO packets of each size.
    gso: BTreeMap<u32, usize>,
    facts: BTreeMap<DevName, Facts>,
}

impl Kernel {
    /// A machine without devices.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            devices: BTreeMap::new(),
            gso: BTreeMap::new(),
            facts: BTreeMap::new(),
        }
    }

    /// Puts a device in, with what is on it.
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

    /// Says what a device is like; [`Facts::default`] is a veth.
    pub fn set_facts(&mut self, name: DevName, facts: Facts) {
        self.facts.insert(name, facts);
    }

    /// Takes a device away, as when a container's veth goes.
    pub fn remove_device(&mut self, name: &DevName) -> Option<Device> {
        self.facts.remove(name);
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
    pub fn request(&mut self, name: &DevName, message: &TcMessage) -> Result<(), KernelError> {
        let facts = self.facts.get(name).copied().unwrap_or_default();
        if message.ifindex == -1 {
            return self.block_request(message);
        }
        let device = self.devices.get_mut(name).ok_or(KernelError::NoDevice)?;
        match message.what {
            What::Qdisc => qdisc::request(device, message, facts),
            What::Class => class::request(device, message),
            What::Filter => filter::request(device, message, facts),
        }
    }

    /// A filter of a shared block is one filter of each device that shares it.
    fn block_request(&mut self, message: &TcMessage) -> Result<(), KernelError> {
        let block = message.parent.raw();
        let facts = &self.facts;
        let mut found = false;
        for (name, device) in &mut self.devices {
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

/// Whether a filter on the class's qdisc points at it.
fn pointed_at(device: &Device, class: Handle) -> bool {
    device.filters().iter().any(|f| match &f.kind {
        FilterKind::U32(u32) => u32.classid() == Some(class),
        FilterKind::Other(_) => false,
    })
}
