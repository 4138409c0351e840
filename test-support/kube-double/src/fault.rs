//! What a test may ask to go wrong.

use std::time::Duration;

/// Something that goes wrong with calls of a verb on a resource.
///
/// ```
/// use kube_double::Fault;
/// use std::time::Duration;
///
/// let second_page = Fault::on("list", "pods").after(1).status(500);
/// let slow = Fault::on("patch", "pods").times(3).slow(Duration::from_secs(20));
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    verb: &'static str,
    plural: &'static str,
    after: usize,
    times: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Nothing is done, and this status answered.
    Status(u16),
    /// What was asked is done, and this status answered.
    Lost(u16),
    /// The answer comes this much later; what was asked is done before.
    Slow(Duration),
    /// What was asked is done this much later.
    Late(Duration),
    /// The answer is no JSON.
    Garbage,
    /// A watch ends after so many events.
    Cut(usize),
}

impl Fault {
    /// A fault of calls of a verb (`get`, `list`, `watch`, `create`, `update`, `patch`) on a resource (`pods`): once, with
    /// status 500.
    #[must_use]
    pub fn on(verb: &'static str, plural: &'static str) -> Self {
        Self {
            verb,
            plural,
            after: 0,
            times: 1,
            kind: Kind::Status(500),
        }
    }

    /// So many calls go well before.
    #[must_use]
    pub fn after(mut self, calls: usize) -> Self {
        self.after = calls;
        self
    }

    /// So many calls go wrong.
    #[must_use]
    pub fn times(mut self, calls: usize) -> Self {
        self.times = calls;
        self
    }

    /// Nothing is done, and a status answered.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.kind = Kind::Status(status);
        self
    }

    /// What was asked is done, but a status answered.
    #[must_use]
    pub fn lost(mut self, status: u16) -> Self {
        self.kind = Kind::Lost(status);
        self
    }

    /// What was asked is done at once, and answered later.
    #[must_use]
    pub fn slow(mut self, pause: Duration) -> Self {
        self.kind = Kind::Slow(pause);
        self
    }

    /// What was asked is done later.
    #[must_use]
    pub fn late(mut self, pause: Duration) -> Self {
        self.kind = Kind::Late(pause);
        self
    }

    /// The answer is no JSON.
    #[must_use]
    pub fn garbage(mut self) -> Self {
        self.kind = Kind::Garbage;
        self
    }

    /// A watch ends after so many events.
    #[must_use]
    pub fn cut(mut self, events: usize) -> Self {
        self.kind = Kind::Cut(events);
        self
    }

    /// Whether a call is one of those that go wrong; counts it.
    pub(crate) fn strikes(&mut self, verb: &str, plural: &str) -> bool {
        if self.verb != verb || self.plural != plural || self.times == 0 {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }

    pub(crate) fn is_over(&self) -> bool {
        self.times == 0
    }
}
