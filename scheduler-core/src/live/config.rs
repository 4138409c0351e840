//! The knobs of protection, with the reasons for their values.

use super::DetectorConfig;
use core::time::Duration;

/// How a [`crate::Protector`] decides. Shares are thousandths of a node's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectConfig {
    /// How overload is told.
    pub detector: DetectorConfig,
    /// Samples of a task's short average.
    pub fast_samples: u32,
    /// Samples of a task's long average: long enough that what moves is what lasts.
    pub slow_samples: u32,
    /// Above this share a node is relieved before it is overloaded.
    pub near_permille: u32,
    /// A relieved node is brought down to this share.
    pub goal_permille: u32,
    /// No destination is filled above this share.
    pub fill_permille: u32,
    /// A task below this share is not worth a move.
    pub least_permille: u32,
    /// Moves of one task within [`ProtectConfig::budget_window`].
    pub moves_per_task: usize,
    /// The time over which a task's moves are counted.
    pub budget_window: Duration,
    /// A task rests so long after a move.
    pub task_rest: Duration,
    /// A node rests so long after it has lost or gained a task.
    pub node_rest: Duration,
    /// Moves under way at once that leave or enter one node.
    pub moves_per_node: usize,
    /// Moves under way at once in the whole cluster.
    pub moves_at_once: usize,
    /// After a plan that could do nothing for a node, it is looked at again so much later.
    pub retry: Duration,
}

impl Default for ProtectConfig {
    /// A node is relieved from 90 % of its threshold down to 86 %, no destination is filled above 84 %, at
    /// most two moves of a task in a day. The three shares decide between few moves and little overload.
    fn default() -> Self {
        Self {
            detector: DetectorConfig::default(),
            fast_samples: 30,
            slow_samples: 300,
            near_permille: 900,
            goal_permille: 860,
            fill_permille: 840,
            least_permille: 8,
            moves_per_task: 2,
            budget_window: Duration::from_secs(86_400),
            task_rest: Duration::from_secs(1800),
            node_rest: Duration::from_secs(5),
            moves_per_node: 2,
            moves_at_once: 64,
            retry: Duration::from_secs(10),
        }
    }
}
