//! The latest time that the allocator was told, and when something happens next by time alone.

use crate::time::Timestamp;

/// Time goes forward only. What is due is carried out by the allocator, which knows what there is.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    now: Timestamp,
    /// No quarantine and no retention ends before this.
    due: Timestamp,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            now: Timestamp::ZERO,
            due: Timestamp::MAX,
        }
    }
}

impl Clock {
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass, never backwards; whether something may be due by now.
    #[inline]
    pub(crate) fn pass(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        self.now >= self.due
    }

    /// Something happens then: the allocator looks no later than that.
    #[inline]
    pub(crate) fn expect(&mut self, at: Timestamp) {
        self.due = self.due.min(at);
    }

    /// Nothing happens before `due`, by a look at everything.
    pub(crate) fn settle(&mut self, due: Timestamp) {
        self.due = due;
    }
}
