//! What a model knows of a device beside its shaping.

/// What a model must know of a device beside its shaping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceProperties {
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

impl Default for DeviceProperties {
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
