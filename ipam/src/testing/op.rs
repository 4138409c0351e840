//! The vocabulary: operations in a small universe of pools, hosts, owners and workloads, so that they meet.

/// Bytes read one by one; zeros after the end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `data`.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.data.split_first() else {
            return 0;
        };
        self.data = rest;
        first
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

/// How long the address is to stay, in the universe's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Not at all.
    Ephemeral,
    /// For this many seconds.
    Sticky(u8),
    /// For good.
    Fixed,
}

/// One operation. Numbers name things: owner 3 is `c3`, workload 2 `w2`, interface 1 `eth1`, host 1 `h1`; 0 is none where there
/// may be none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Wait {
        seconds: u8,
    },
    AddPool {
        pool: u8,
        variant: u8,
    },
    Drain {
        pool: u8,
        on: bool,
    },
    Grow {
        pool: u8,
    },
    RemovePool {
        pool: u8,
    },
    Claim {
        owner: u8,
        workload: u8,
        interface: u8,
        host: u8,
        keep: Keep,
        families: u8,
        pool: u8,
        lease: u8,
        asked: u8,
    },
    Release {
        owner: u8,
        late: bool,
    },
    Renew {
        owner: u8,
        lease: u8,
    },
    Expire,
    BeginMove {
        workload: u8,
        interface: u8,
        from: u8,
        to: u8,
    },
    FinishMove {
        workload: u8,
        interface: u8,
        owner: u8,
    },
    AbortMove {
        workload: u8,
        interface: u8,
    },
    Reserve {
        workload: u8,
        interface: u8,
        pool: u8,
        offset: u8,
        count: u8,
        /// 0: besides what is reserved, 1: instead of it, 2: not any more.
        how: u8,
    },
    Unreserve {
        workload: u8,
        interface: u8,
    },
    SetHost {
        host: u8,
        limit: u8,
        draining: bool,
    },
    Reconcile {
        alive: u8,
    },
    TidyBlocks {
        host: u8,
    },
    Restore,
}

impl Op {
    /// The next operation, none at the end.
    pub fn decode(r: &mut Reader<'_>) -> Option<Self> {
        if r.is_empty() {
            return None;
        }
        let kind = r.byte();
        Some(match kind % 32 {
            0..=2 => Self::Wait { seconds: r.byte() },
            3 | 4 => Self::AddPool {
                pool: r.byte() % 6,
                variant: r.byte(),
            },
            5 => Self::Drain {
                pool: r.byte() % 6,
                on: r.byte().is_multiple_of(2),
            },
            6 => Self::Grow { pool: r.byte() % 6 },
            7 => Self::RemovePool { pool: r.byte() % 6 },
            8..=14 => Self::decode_claim(r),
            15..=18 => Self::Release {
                owner: r.byte() % 12,
                late: r.byte().is_multiple_of(8),
            },
            19 => Self::Renew {
                owner: r.byte() % 12,
                lease: r.byte(),
            },
            20 => Self::Expire,
            21 => Self::BeginMove {
                workload: workload(r.byte()),
                from: host(r.byte()),
                to: host(r.byte()),
                interface: interface(r.byte()),
            },
            22 | 23 => Self::FinishMove {
                workload: workload(r.byte()),
                owner: r.byte() % 12,
                interface: interface(r.byte()),
            },
            24 => Self::AbortMove {
                workload: workload(r.byte()),
                interface: interface(r.byte()),
            },
            25 => Self::Reserve {
                workload: workload(r.byte()),
                pool: r.byte() % 6,
                offset: r.byte() % 20,
                count: 1 + r.byte() % 4,
                interface: interface(r.byte()),
                how: (r.byte() % 6).saturating_sub(3),
            },
            26 => Self::Unreserve {
                workload: workload(r.byte()),
                interface: interface(r.byte()),
            },
            27 => Self::SetHost {
                host: host(r.byte()),
                limit: r.byte() % 4,
                draining: r.byte().is_multiple_of(4),
            },
            28 => Self::Reconcile { alive: r.byte() },
            29 => Self::TidyBlocks {
                host: host(r.byte()),
            },
            _ => Self::Restore,
        })
    }

    fn decode_claim(r: &mut Reader<'_>) -> Self {
        let (who, how) = (r.byte(), r.byte());
        let keep = match how % 4 {
            0 => Keep::Ephemeral,
            1 | 2 => Keep::Sticky(how >> 2),
            _ => Keep::Fixed,
        };
        Self::Claim {
            owner: who % 12,
            workload: r.byte() % 6,
            // Every fifth claim is through another interface.
            interface: interface(who / 12),
            host: r.byte() % 5,
            keep,
            families: r.byte() % 3,
            pool: r.byte() % 8,
            lease: r.byte() % 40,
            asked: r.byte() % 48,
        }
    }
}

fn workload(byte: u8) -> u8 {
    1 + byte % 5
}

/// The default one in four of five cases.
fn interface(byte: u8) -> u8 {
    u8::from(byte % 5 == 4)
}

fn host(byte: u8) -> u8 {
    1 + byte % 4
}
