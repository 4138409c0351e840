//! Flags of requests (`NLM_F_*`).

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 1;

/// `NLM_F_ACK`.
pub const ACK: u16 = 4;

/// `NLM_F_REPLACE`.
pub const REPLACE: u16 = 0x100;

/// `NLM_F_EXCL`.
pub const EXCL: u16 = 0x200;

/// `NLM_F_CREATE`.
pub const CREATE: u16 = 0x400;
