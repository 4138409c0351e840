#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod check;
mod device;
mod elastic;
#[cfg(feature = "serde")]
mod file;
mod handle;
mod host;
mod kernel;
mod name;
mod object;
mod plan;
mod policy;
mod rate;
mod refusal;
#[cfg(feature = "serde")]
mod show;
mod shown;
mod tc;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
pub mod text;
mod ticks;
mod unit;
pub mod wire;

pub use device::{DevName, Device};
pub use elastic::{Change, Claim, Elastic, ElasticConfig, Scratch, Terms, Usage, divide};
pub use handle::{Handle, HandleError};
pub use host::{Capabilities, Host, Slot};
pub use kernel::{Facts, Kernel, KernelError};
pub use name::Netns;
pub use object::{
    Class, Estimator, Extras, Filter, FilterKind, FqCodel, Htb, HtbClass, Other, Qdisc, QdiscKind,
    RateSpec, Stab, Tbf,
};
pub use plan::{
    Action, BatchError, Before, LeftAlone, Loss, Losses, Object, Op, Plan, REDIRECT_NODES,
    REDIRECT_PRIO, RESERVED_MAJORS, Reason, Redirect, diff, diff_device, diff_touched,
};
pub use policy::{
    Container, Direction, Inside, LEAST_BURST, LEAST_CEILING, MOST_CEILING, Shape, Tier, Uplink,
    default_burst, leaf_limit,
};
pub use rate::{Bytes, Rate, TcRate};
pub use refusal::{Refusal, RefusalKind};
pub use shown::{Lossy, Reading, Shown, read_tc_text};
pub use tc::{IfIndexes, TcError, batch_commands, parse_line, parse_line_at};
pub use ticks::{Era, bytes_of};
pub use unit::UnitError;
#[cfg(feature = "serde")]
pub use {
    file::{ContainerSection, HostSection, PolicyFile, ShapeSection, TierSection, UplinkSection},
    plan::{LeftDocument, OpDocument, PlanDocument, RefusedDocument},
    show::{Observed, ObservedDevice, ShowError},
    shown::{TcJsonError, read_tc_json},
};
