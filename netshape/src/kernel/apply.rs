//! One request against one device.

use crate::device::Device;
use crate::handle::Handle;
use crate::object::{Class, Htb, Qdisc, QdiscKind};
use crate::plan::{Action, Object, Op};

/// What the kernel answers when it does not do as told; the texts are its own where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// No such device.
    #[error("Cannot find device")]
    NoDevice,
    /// `EEXIST` on a qdisc.
    #[error("Exclusivity flag on, cannot modify.")]
    QdiscExists,
    /// `EEXIST` on a class.
    #[error("File exists")]
    ClassExists,
    /// `ENOENT`.
    #[error("No such file or directory")]
    NotFound,
    /// The parent class of a qdisc is not there.
    #[error("Specified class not found.")]
    NoParentClass,
    /// Deleting a kernel default.
    #[error("Cannot delete qdisc with handle of zero.")]
    ZeroHandle,
    /// Another kind under the same handle.
    #[error("Invalid qdisc name: must match existing qdisc.")]
    KindMismatch,
    /// An HTB qdisc's own options can't be changed.
    #[error("Change operation not supported by specified qdisc.")]
    ChangeNotSupported,
    /// The class has children, or filters point at it.
    #[error("HTB class in use.")]
    ClassInUse,
    /// Nine levels of classes.
    #[error("sch_htb: tree is too deep.")]
    TooDeep,
    /// The handle is not the one that is there.
    #[error("Invalid handle.")]
    InvalidHandle,
}

/// Carries out one step on a device.
pub(super) fn apply(device: &mut Device, op: &Op) -> Result<(), KernelError> {
    match (&op.object, op.action) {
        (Object::Qdisc(q), Action::Add) => add_qdisc(device, q),
        (Object::Qdisc(q), Action::Change) => change_qdisc(device, q),
        (Object::Qdisc(q), Action::Delete) => delete_qdisc(device, q),
        (Object::Class(c), Action::Add) => add_class(device, c),
        (Object::Class(c), Action::Change) => change_class(device, c),
        (Object::Class(c), Action::Delete) => delete_class(device, c.id),
    }
}

fn add_qdisc(device: &mut Device, qdisc: &Qdisc) -> Result<(), KernelError> {
    let special = matches!(qdisc.parent, Handle::ROOT | Handle::INGRESS);
    if !special && device.class(qdisc.parent).is_none() {
        return Err(KernelError::NoParentClass);
    }
    if device
        .qdisc_at(qdisc.parent)
        .is_some_and(|q| !q.handle.is_none())
    {
        return Err(KernelError::QdiscExists);
    }
    if device.qdisc(qdisc.handle).is_some() {
        return Err(KernelError::QdiscExists);
    }
    if qdisc.parent == Handle::ROOT {
        uproot(device, Handle::NONE);
    }
    device.put_qdisc(qdisc.clone());
    Ok(())
}

fn change_qdisc(device: &mut Device, qdisc: &Qdisc) -> Result<(), KernelError> {
    let old = device.qdisc_at(qdisc.parent).ok_or(KernelError::NotFound)?;
    if old.handle != qdisc.handle {
        return Err(KernelError::InvalidHandle);
    }
    if old.kind.name() != qdisc.kind.name() {
        return Err(KernelError::KindMismatch);
    }
    if matches!(qdisc.kind, QdiscKind::Htb(Htb { .. })) {
        return Err(KernelError::ChangeNotSupported);
    }
    device.put_qdisc(qdisc.clone());
    Ok(())
}

fn delete_qdisc(device: &mut Device, qdisc: &Qdisc) -> Result<(), KernelError> {
    let special = matches!(qdisc.parent, Handle::ROOT | Handle::INGRESS);
    if !special && device.class(qdisc.parent).is_none() {
        return Err(KernelError::NoParentClass);
    }
    let old = device.qdisc_at(qdisc.parent).ok_or(KernelError::NotFound)?;
    let handle = old.handle;
    if handle.is_none() {
        return Err(KernelError::ZeroHandle);
    }
    if !qdisc.handle.is_none() && handle != qdisc.handle {
        return Err(KernelError::InvalidHandle);
    }
    device.take_qdisc(qdisc.parent);
    uproot(device, handle);
    Ok(())
}

/// Takes away what hangs below a qdisc that is gone (all below the root for [`Handle::NONE`]).
fn uproot(device: &mut Device, handle: Handle) {
    if handle.is_none() {
        device.retain(|q| q.parent == Handle::INGRESS, |_| false);
        return;
    }
    let below = |h: Handle| h.of_qdisc() == handle;
    let mut more = alloc::vec::Vec::new();
    device.retain(
        |q| {
            let goes = below(q.parent) && q.parent != Handle::ROOT && q.parent != Handle::INGRESS;
            if goes {
                more.push(q.handle);
            }
            !goes
        },
        |c| !below(c.id),
    );
    // Leaves may be classful themselves; a qdisc is gone before its own below are looked for, so this ends.
    for handle in more.into_iter().filter(|h| !h.is_none()) {
        if device.classes().iter().any(|c| c.id.of_qdisc() == handle) {
            uproot(device, handle);
        }
    }
}

fn add_class(device: &mut Device, class: &Class) -> Result<(), KernelError> {
    if device.qdisc(class.id.of_qdisc()).is_none() {
        return Err(KernelError::NotFound);
    }
    if device.class(class.id).is_some() {
        return Err(KernelError::ClassExists);
    }
    // A parent that is not there makes it a root class, and the kernel says nothing.
    let parent = match device.class(class.parent) {
        Some(parent) => parent.id,
        None => class.id.of_qdisc(),
    };
    if depth(device, parent) >= 8 {
        return Err(KernelError::TooDeep);
    }
    // A leaf that becomes an inner class loses its qdisc.
    if let Some(leaf) = device.take_qdisc(parent) {
        uproot(device, leaf.handle);
    }
    device.put_class(Class { parent, ..*class });
    Ok(())
}

fn depth(device: &Device, parent: Handle) -> usize {
    let (mut at, mut depth) = (parent, 0);
    while let Some(class) = device.class(at).filter(|_| depth < 64) {
        (at, depth) = (class.parent, depth + 1);
    }
    depth
}

fn change_class(device: &mut Device, class: &Class) -> Result<(), KernelError> {
    let old = *device.class(class.id).ok_or(KernelError::NotFound)?;
    // Another parent is taken without a word, and the old one stays.
    device.put_class(Class {
        parent: old.parent,
        ..*class
    });
    Ok(())
}

fn delete_class(device: &mut Device, id: Handle) -> Result<(), KernelError> {
    if device.class(id).is_none() {
        return Err(KernelError::NotFound);
    }
    if device.has_children(id) {
        return Err(KernelError::ClassInUse);
    }
    if let Some(leaf) = device.take_qdisc(id) {
        uproot(device, leaf.handle);
    }
    device.take_class(id);
    Ok(())
}
