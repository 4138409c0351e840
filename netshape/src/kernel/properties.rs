//! What a model knows of a device beside its shaping.

/// What a model must know of a device beside its shaping; the default is a veth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceProperties {
    /// `txqueuelen`: the limit of a pfifo without one, and of HTB's direct queue.
    pub tx_queue_len: u32,
    /// Hardware queues.
    pub tx_queues: u16,
    /// Bytes of the largest packet with its header.
    pub max_frame: u32,
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
            max_frame: 1514,
            fq_codel: true,
            u32_mark: true,
        }
    }
}

impl DeviceProperties {
    /// Sets `txqueuelen`.
    #[must_use]
    pub const fn with_tx_queue_len(mut self, tx_queue_len: u32) -> Self {
        self.tx_queue_len = tx_queue_len;
        self
    }

    /// Sets the number of hardware queues.
    #[must_use]
    pub const fn with_tx_queues(mut self, tx_queues: u16) -> Self {
        self.tx_queues = tx_queues;
        self
    }

    /// Sets the bytes of the largest packet with its header.
    #[must_use]
    pub const fn with_max_frame(mut self, max_frame: u32) -> Self {
        self.max_frame = max_frame;
        self
    }

    /// Says whether the kernel has `fq_codel`.
    #[must_use]
    pub const fn with_fq_codel(mut self, fq_codel: bool) -> Self {
        self.fq_codel = fq_codel;
        self
    }

    /// Says whether u32 matches marks.
    #[must_use]
    pub const fn with_u32_mark(mut self, u32_mark: bool) -> Self {
        self.u32_mark = u32_mark;
        self
    }
}
