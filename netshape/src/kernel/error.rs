//! What the kernel answers when it does not do as told.

/// What a kernel answers to a request that it refuses, in its own words (extended acknowledgements) where it has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is its text")]
pub enum KernelError {
    #[error("Cannot find device")]
    NoDevice,
    #[error("Exclusivity flag on, cannot modify.")]
    QdiscExists,
    #[error("Cannot move an existing qdisc to a different parent.")]
    CannotMove,
    #[error("STAB not supported on a non root.")]
    StabNotRoot,
    #[error("NLM_F_REPLACE needed to override.")]
    NeedsReplace,
    #[error("Qdisc not found. To create specify NLM_F_CREATE flag.")]
    NeedsCreate,
    #[error("File exists")]
    ClassExists,
    #[error("No such file or directory")]
    NotFound,
    #[error("Invalid argument")]
    Invalid,
    #[error("Operation not supported")]
    NotSupported,
    #[error("Failed to find specified qdisc.")]
    NoParentQdisc,
    #[error("Specified class not found.")]
    NoParentClass,
    #[error("Cannot find specified qdisc on specified device.")]
    NoQdisc,
    #[error("Cannot delete qdisc with handle of zero.")]
    ZeroHandle,
    #[error("Specified qdisc kind is unknown.")]
    UnknownKind,
    #[error("Invalid qdisc name: must match existing qdisc.")]
    KindMismatch,
    #[error("Change operation not supported by specified qdisc.")]
    ChangeNotSupported,
    #[error("hw-tc-offload ethtool feature flag must be on.")]
    NoOffload,
    #[error("HTB class in use.")]
    ClassInUse,
    #[error("sch_htb: tree is too deep.")]
    TooDeep,
    #[error("Invalid handle.")]
    InvalidHandle,
    #[error("Parent qdisc is not classful.")]
    ParentNotClassful,
    #[error("Qdisc not classful.")]
    NotClassful,
    #[error("Class doesn't support blocks.")]
    NoBlocks,
    #[error("Specified class doesn't exist.")]
    NoFilterClass,
    #[error("Specified filter handle not found.")]
    NoFilterHandle,
    #[error("Filter with specified priority/protocol not found.")]
    NoFilterPrio,
    #[error("Need both RTM_NEWTFILTER and NLM_F_CREATE to create a new filter.")]
    NeedsCreateFilter,
    #[error("Cannot flush filters with protocol, handle or kind set.")]
    FlushWhole,
    #[error("cls_u32: Not allowed to delete root node.")]
    RootTable,
    #[error("cls_u32: Can not delete in-use filter.")]
    FilterInUse,
    #[error("Cannot find specified filter chain.")]
    NoChain,
    #[error("Specified filter kind does not match existing one.")]
    FilterKind,
    #[error("cls_u32: Handle specified hash table address mismatch.")]
    OtherTable,
    #[error("Parent Qdisc doesn't exists.")]
    NoFilterParent,
    #[error("Protocol mismatch for filter with specified priority.")]
    ProtocolMismatch,
    #[error("Filter already exists")]
    FilterExists,
    #[error("cls_u32: Selector not specified.")]
    NoSelector,
    #[error("cls_u32: Specified hash table not found.")]
    NoTable,
    #[error("cls_u32: Link hash table not found.")]
    NoLink,
    #[error("Block of given index was not found.")]
    NoBlock,
}
