//! What an engine wants done.

use alloc::boxed::Box;
use core::fmt;

use crate::id::{EndpointId, ServiceId};
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

/// One thing to do, with its reason. Effects are in the order in which they are to be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Effect {
    /// Check this endpoint now, as [`crate::ServiceConfig::health`] says, and answer with
    /// [`crate::Input::Probed`].
    Probe {
        /// The endpoint.
        endpoint: EndpointId,
        /// Its service.
        service: ServiceId,
        /// To be repeated in the answer.
        attempt: u32,
        /// After this the engine takes the check as failed.
        deadline: Timestamp,
        /// Why: [`Reason::FirstCheck`], [`Reason::InDoubt`], [`Reason::Failing`] or [`Reason::Routine`].
        reason: Reason,
    },
    /// Write the endpoint's registration, as [`crate::Engine::registration`] gives it.
    Register {
        /// The endpoint.
        endpoint: EndpointId,
        /// Its slot: the index that pickers use.
        slot: usize,
        /// Why.
        reason: Reason,
    },
    /// Write the endpoint's registration anew: its address, place or status changed.
    Update {
        /// The endpoint.
        endpoint: EndpointId,
        /// Its slot: the index that pickers use.
        slot: usize,
        /// Its status from now on.
        status: RegistrationStatus,
        /// Why.
        reason: Reason,
    },
    /// Take the registration away, and with it all that pickers know of the slot ([`crate::Picker::free`]): the next
    /// endpoint that is registered may be given it.
    Deregister {
        /// The endpoint, no longer known to the engine.
        endpoint: EndpointId,
        /// Its service.
        service: ServiceId,
        /// The slot that it had.
        slot: usize,
        /// Its name, the registration's key.
        name: Box<str>,
        /// Why.
        reason: Reason,
    },
    /// Give the endpoint this weight wherever traffic is divided.
    SetWeight {
        /// The endpoint.
        endpoint: EndpointId,
        /// Its service.
        service: ServiceId,
        /// Its slot: the index that pickers use.
        slot: usize,
        /// Thousandths of a unit of base weight; 0 takes no new traffic.
        weight: u32,
        /// Why.
        reason: Reason,
    },
    /// A service is used in another way from now on.
    Mode {
        /// The service.
        service: ServiceId,
        /// How.
        mode: Mode,
    },
    /// A record of an [`crate::Input::Snapshot`] was not taken; what is known of its endpoint stays, and the other records
    /// were taken. Said again at each snapshot that repeats it.
    Rejected {
        /// The service whose snapshot it was.
        service: ServiceId,
        /// Its place in the snapshot, from 0.
        entry: u32,
        /// Its name, at most [`crate::endpoint::MAX_NAME`] bytes of it.
        name: Box<str>,
        /// What was given, what is wrong with it, and what would be right ([`crate::InputError`]).
        problem: Box<str>,
    },
    /// So many endpoints of a service vanished at once that they are kept until they are seen again, until
    /// [`crate::Input::Confirm`], or for [`crate::ServiceConfig::hold_limit`]. Said again at each snapshot that still lacks them, and once more with 0
    /// when none is held any longer.
    Hold {
        /// The service.
        service: ServiceId,
        /// How many are held.
        held: u32,
        /// Of how many.
        of: u32,
    },
}

impl fmt::Display for Effect {
    /// One line for a log. Endpoints and services appear by their ids; [`crate::Engine`] knows their names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe {
                endpoint,
                attempt,
                deadline,
                reason,
                ..
            } => write!(
                f,
                "probe {endpoint}, attempt {attempt}, answer due by {deadline}: {reason}"
            ),
            Self::Register {
                endpoint,
                slot,
                reason,
            } => write!(f, "register {endpoint} in slot {slot}: {reason}"),
            Self::Update {
                endpoint,
                slot,
                status,
                reason,
            } => write!(
                f,
                "update {endpoint} in slot {slot}, now {status}: {reason}"
            ),
            Self::Deregister {
                slot, name, reason, ..
            } => write!(f, "deregister {name:?} and free slot {slot}: {reason}"),
            Self::SetWeight {
                endpoint,
                slot,
                weight,
                reason,
                ..
            } => {
                let (whole, thousandths) = (weight / 1000, weight % 1000);
                write!(
                    f,
                    "set weight of {endpoint} in slot {slot} to {whole}.{thousandths:03}: {reason}"
                )
            }
            Self::Mode { service, mode } => write!(f, "{service} is now in {mode} mode"),
            Self::Rejected {
                service,
                entry,
                name,
                problem,
            } => write!(
                f,
                "entry {entry} ({name:?}) of the snapshot of {service} was rejected: {problem}"
            ),
            Self::Hold {
                service, held: 0, ..
            } => write!(f, "no endpoint of {service} is held any longer"),
            Self::Hold { service, held, of } => write!(
                f,
                "{held} of {of} endpoints of {service} vanished at once and are held"
            ),
        }
    }
}

/// Which endpoints of a service carry its traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Mode {
    /// Nothing can serve: nobody is there, or nobody that is ready has weight.
    #[default]
    Empty,
    /// The healthy ones.
    Normal,
    /// The healthy ones, and the degraded ones with what those cannot carry.
    Degraded,
    /// Failing ones too, since too few are healthy: all, or all of the regions that have too few.
    Panic,
    /// Those on their way out (terminating, or on a drained node or region) that still pass, since there is
    /// nothing else.
    LastResort,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Normal => "normal",
            Self::Degraded => "degraded",
            Self::Panic => "panic",
            Self::LastResort => "last resort",
        })
    }
}

/// Why something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reason {
    /// The source says it is there.
    Added,
    /// The source says something else of it.
    Changed,
    /// The source says it is gone.
    Gone,
    /// A held-back loss was confirmed.
    Confirmed,
    /// It was held back for [`crate::ServiceConfig::hold_limit`], unseen and unconfirmed.
    HoldExpired,
    /// It restarted.
    Restarted,
    /// Its checks pass.
    Passing,
    /// Its checks ask for less.
    Degraded,
    /// Its checks fail.
    Failing,
    /// Its warm-up went a step further.
    WarmUp,
    /// It is drained, or no longer.
    Drain,
    /// Its callers saw it fail.
    Ejected,
    /// Its ejection is over.
    Returned,
    /// Its service's mode changed.
    Mode(Mode),
    /// The configuration changed.
    Configured,
    /// It was never checked: its first result decides.
    FirstCheck,
    /// Its last check spoke against its status, not yet for long enough to change it.
    InDoubt,
    /// It is time to look again.
    Routine,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "the source added it",
            Self::Changed => "the source changed it",
            Self::Gone => "the source removed it",
            Self::Confirmed => "its loss was confirmed",
            Self::HoldExpired => "it was held for as long as a loss is held",
            Self::Restarted => "it restarted",
            Self::Passing => "its checks pass",
            Self::Degraded => "its checks ask for less traffic",
            Self::Failing => "its checks fail",
            Self::WarmUp => "it is warming up",
            Self::Drain => "a drain began or ended",
            Self::Ejected => "its callers saw it fail",
            Self::Returned => "its ejection is over",
            Self::Mode(Mode::Panic) => "too few are healthy, all are used",
            Self::Mode(Mode::LastResort) => "only departing ones are left",
            Self::Mode(_) => "its service is used in another way",
            Self::Configured => "the configuration changed",
            Self::FirstCheck => "it was never checked",
            Self::InDoubt => "its last check was in doubt",
            Self::Routine => "it is time to look again",
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn effects_read_as_sentences() {
        let (service, endpoint) = (
            ServiceId(2),
            EndpointId {
                index: 3,
                generation: 1,
            },
        );
        let hold = |held| Effect::Hold {
            service,
            held,
            of: 9,
        };
        let lines = [
            Effect::Register {
                endpoint,
                slot: 4,
                reason: Reason::Added,
            },
            Effect::Update {
                endpoint,
                slot: 4,
                status: RegistrationStatus::Draining,
                reason: Reason::Drain,
            },
            Effect::SetWeight {
                endpoint,
                service,
                slot: 4,
                weight: 12_050,
                reason: Reason::WarmUp,
            },
            Effect::Deregister {
                endpoint,
                service,
                slot: 4,
                name: "web-1".into(),
                reason: Reason::Gone,
            },
            Effect::Mode {
                service,
                mode: Mode::LastResort,
            },
            hold(5),
            hold(0),
        ]
        .map(|effect| effect.to_string());
        let expected = [
            "register endpoint 3.1 in slot 4: the source added it",
            "update endpoint 3.1 in slot 4, now draining: a drain began or ended",
            "set weight of endpoint 3.1 in slot 4 to 12.050: it is warming up",
            "deregister \"web-1\" and free slot 4: the source removed it",
            "service 2 is now in last resort mode",
            "5 of 9 endpoints of service 2 vanished at once and are held",
            "no endpoint of service 2 is held any longer",
        ];
        assert_eq!(lines, expected);
    }
}
