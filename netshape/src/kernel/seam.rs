//! The seam to a real kernel. It reads and carries out; it decides nothing. The trait is runtime-free.

use super::error::KernelError;
use super::model::KernelModel;
use crate::netlink::TcMessage;
use crate::object::{DevName, Device, Netns};
use crate::observe::ObservedState;
use alloc::boxed::Box;
use async_trait::async_trait;

/// One request of a plan: for a device in one network namespace, with the device's number there where it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The device; its [`Netns`] is where the request must be sent.
    pub device: DevName,
    /// The message; its `ifindex` is 0 where the device was not observed with a number: look it up by name then.
    pub message: TcMessage<'static>,
}

impl Request {
    /// A request for a device.
    #[must_use]
    pub const fn new(device: DevName, message: TcMessage<'static>) -> Self {
        Self { device, message }
    }

    /// The network namespace that it must be sent in.
    #[must_use]
    pub const fn netns(&self) -> &Netns {
        &self.device.netns
    }
}

/// How far a list of requests was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied<E> {
    /// How many were carried out, from the first.
    pub done: usize,
    /// Why the next one was not; `None` where all were.
    pub error: Option<E>,
}

impl<E> Applied<E> {
    /// All `done` requests were carried out.
    #[must_use]
    pub const fn all(done: usize) -> Self {
        Self { done, error: None }
    }

    /// The first `done` requests were carried out; the one after them failed.
    #[must_use]
    pub const fn failed(done: usize, error: E) -> Self {
        Self {
            done,
            error: Some(error),
        }
    }
}

/// A kernel that can be observed and told what to do: by netlink sockets, by `tc`, or [`KernelModel`] in
/// tests.
#[async_trait]
pub trait Kernel: Send {
    /// What it says when it does not answer, or not as told.
    type Error: Send;

    /// Reads all devices of these network namespaces, with their numbers and what is on them. A namespace that does not exist, or
    /// no longer, is left out.
    ///
    /// # Errors
    /// Nothing could be read.
    async fn observe(&mut self, namespaces: &[Netns]) -> Result<ObservedState, Self::Error>;

    /// Makes ifb devices that a plan needs ([`Plan::required_devices`](crate::plan::Plan::required_devices)) and sets them up.
    ///
    /// # Errors
    /// One could not be made; those before it stand.
    async fn create_ifbs(&mut self, devices: &[DevName]) -> Result<(), Self::Error>;

    /// Carries requests out, in order, each in its network namespace, and stops at the first that fails. Requests must be sent
    /// one after another: a later one counts on what an earlier one made.
    async fn apply(&mut self, requests: &[Request]) -> Applied<Self::Error>;

    /// Whether an error says that the device of a request, or its network namespace, is there no longer: containers end whenever they
    /// like. `false` unless told otherwise.
    fn is_gone(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether an error says that what was to be taken off is not there: a hash table that went with the last filter in it, say. `false`
    /// unless told otherwise.
    fn is_absent(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}

#[async_trait]
impl<K: Kernel + ?Sized> Kernel for &mut K {
    type Error = K::Error;

    async fn observe(&mut self, namespaces: &[Netns]) -> Result<ObservedState, Self::Error> {
        (**self).observe(namespaces).await
    }

    async fn create_ifbs(&mut self, devices: &[DevName]) -> Result<(), Self::Error> {
        (**self).create_ifbs(devices).await
    }

    async fn apply(&mut self, requests: &[Request]) -> Applied<Self::Error> {
        (**self).apply(requests).await
    }

    fn is_gone(&self, error: &Self::Error) -> bool {
        (**self).is_gone(error)
    }

    fn is_absent(&self, error: &Self::Error) -> bool {
        (**self).is_absent(error)
    }
}

/// Answers at once. Its devices have the numbers that they were put in with.
#[async_trait]
impl Kernel for KernelModel {
    type Error = KernelError;

    async fn observe(&mut self, namespaces: &[Netns]) -> Result<ObservedState, Self::Error> {
        let here = |(name, _): &(&DevName, &Device)| namespaces.contains(&name.netns);
        let seen = self.devices().filter(here);
        Ok(seen.map(|(n, d)| (n.clone(), d.clone())).collect())
    }

    async fn create_ifbs(&mut self, devices: &[DevName]) -> Result<(), Self::Error> {
        let used = self.devices().filter_map(|(_, d)| d.ifindex).max();
        let numbers = used.unwrap_or(0).saturating_add(1)..;
        for (name, number) in devices.iter().zip(numbers) {
            let mut ifb = Device::new();
            ifb.ifindex = Some(number);
            self.put_device(name.clone(), ifb);
        }
        Ok(())
    }

    async fn apply(&mut self, requests: &[Request]) -> Applied<Self::Error> {
        for (done, Request { device, message }) in requests.iter().enumerate() {
            if let Err(error) = self.request(device, message) {
                return Applied::failed(done, error);
            }
        }
        Applied::all(requests.len())
    }

    fn is_gone(&self, error: &Self::Error) -> bool {
        *error == KernelError::NoDevice
    }

    fn is_absent(&self, error: &Self::Error) -> bool {
        matches!(
            error,
            KernelError::NoChain | KernelError::NoFilterPrio | KernelError::NoFilterHandle
        )
    }
}
