//! Why a call came to nothing, and what that says of its effect.

use crate::endpoint::chain;
use std::error::Error as _;
use std::fmt;
use tonic::{Code, ConnectError, Status};

/// The longest text of a server's that is passed on, in characters.
const LONGEST: usize = 300;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The member was not reached.
    NotSent { member: String, why: String },
    /// The member may have had the request; whether it did anything is unknown.
    Unknown { member: String, why: String },
    /// The member answered that it will not.
    Answered {
        member: String,
        code: Code,
        message: String,
    },
    /// The request is too large to be sent, in bytes.
    TooLarge { given: usize, limit: usize },
    /// The member is one of another cluster.
    OtherCluster {
        member: String,
        known: u64,
        found: u64,
    },
}

impl Failure {
    /// What a status is: tonic makes one of every failure, etcd's own begin with its name.
    pub(crate) fn of(member: &str, status: &Status) -> Self {
        let (member, message) = (member.to_owned(), shortened(status.message()));
        if let Some(source) = status.source() {
            let why = shortened(&chain(source));
            return match never_sent(status) {
                true => Self::NotSent { member, why },
                false => Self::Unknown { member, why },
            };
        }
        match status.code() {
            // etcd: "request timed out", "leader changed", "server stopped": it does not know itself.
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
                if !is_refusal(&message) =>
            {
                Self::Unknown {
                    member,
                    why: message,
                }
            }
            code => Self::Answered {
                member,
                code,
                message,
            },
        }
    }

    /// Whether another member, or the same one later, may do better.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::Unknown { .. } => true,
            Self::Answered { message, .. } => is_refusal(message),
            Self::TooLarge { .. } | Self::OtherCluster { .. } => false,
        }
    }

    /// Whether it is certain that the request changed nothing.
    pub(crate) fn changed_nothing(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// Whether the token is no longer good, or not yet known to the member.
    pub(crate) fn rejects_token(&self) -> bool {
        self.says("invalid auth token")
            || self.says("revision of auth store is old")
            || self.says("user name is empty")
    }

    /// Whether the revision that was asked for is no longer kept.
    pub(crate) fn is_compacted(&self) -> bool {
        self.says("required revision has been compacted")
    }

    /// Whether the answer was longer than is read.
    pub(crate) fn is_long_answer(&self) -> bool {
        self.says("decoded message length too large")
    }

    /// Whether the lease is not there.
    pub(crate) fn is_no_lease(&self) -> bool {
        self.says("requested lease not found")
    }

    fn says(&self, text: &str) -> bool {
        matches!(self, Self::Answered { message, .. } if message.contains(text))
    }
}

/// Answers that a member gives before it has looked at the request: it is alone, starting, or overloaded.
fn is_refusal(message: &str) -> bool {
    [
        "etcdserver: no leader",
        "etcdserver: not capable",
        "etcdserver: too many requests",
    ]
    .iter()
    .any(|refusal| message.contains(refusal))
}

/// Whether the connection failed before the request was on it.
fn never_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { member, why } => write!(f, "etcd can't be reached: {member}: {why}"),
            Self::Unknown { member, why } => {
                write!(f, "{member}: {why}: whether a write took place is unknown")
            }
            Self::Answered {
                member, message, ..
            } if message.contains("user name is empty") => {
                write!(
                    f,
                    "{member}: {message}: this etcd wants a user and a password"
                )
            }
            Self::Answered {
                member,
                code,
                message,
            } if message.is_empty() => write!(f, "{member}: {code}"),
            Self::Answered {
                member, message, ..
            } => write!(f, "{member}: {message}"),
            Self::TooLarge { given, limit } => write!(
                f,
                "a transaction of {given} bytes, where etcd takes {limit} (its --max-request-bytes): nothing was written"
            ),
            Self::OtherCluster {
                member,
                known,
                found,
            } => write!(
                f,
                "{member} is a member of cluster {found:x}, not of {known:x}, which answered before: name one etcd's members only"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_of_the_unread_request_are_certain() {
        let of = |code, text: &str| Failure::of("m", &Status::new(code, text));
        let no_leader = of(Code::Unavailable, "etcdserver: no leader");
        assert!(no_leader.is_passing() && no_leader.changed_nothing());
        let timed_out = of(Code::Unavailable, "etcdserver: request timed out");
        assert!(timed_out.is_passing() && !timed_out.changed_nothing());
        let denied = of(Code::PermissionDenied, "etcdserver: permission denied");
        assert!(!denied.is_passing() && denied.changed_nothing());
        let token = of(Code::Unauthenticated, "etcdserver: invalid auth token");
        assert!(token.rejects_token() && token.changed_nothing());
    }

    #[test]
    fn an_endless_text_is_cut() {
        let long = "ä".repeat(100_000);
        let failure = Failure::of("m", &Status::new(Code::Internal, long));
        assert!(failure.to_string().chars().count() < LONGEST + 20);
    }
}
