//! Builders of configurations: each sets one field of what [`Default`] gives.

use super::config::ProtectorConfig;
use super::samples::DetectorConfig;
use super::worth::Worth;
use core::time::Duration;

macro_rules! with {
    ($config:ident: $($name:ident sets $field:ident: $type:ty),* $(,)?) => {
        impl $config {
            $(
                #[doc = concat!("The configuration with another [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub const fn $name(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

with! {
    DetectorConfig:
    with_interval sets interval: Duration,
    with_window sets window: usize,
    with_leave_permille sets leave_permille: u32,
    with_min_known sets min_known: usize,
}

with! {
    ProtectorConfig:
    with_detector sets detector: DetectorConfig,
    with_fast_samples sets fast_samples: u32,
    with_slow_samples sets slow_samples: u32,
    with_early_permille sets early_permille: u32,
    with_target_permille sets target_permille: u32,
    with_max_fill_permille sets max_fill_permille: u32,
    with_min_task_permille sets min_task_permille: u32,
    with_moves_per_task sets moves_per_task: usize,
    with_budget_window sets budget_window: Duration,
    with_task_cooldown sets task_cooldown: Duration,
    with_node_cooldown sets node_cooldown: Duration,
    with_moves_per_node sets moves_per_node: usize,
    with_moves_at_once sets moves_at_once: usize,
    with_stale_after sets stale_after: Duration,
    with_node_lag sets node_lag: Duration,
    with_retry sets retry: Duration,
    with_worth sets worth: Option<Worth>,
}

with! {
    Worth:
    with_horizon sets horizon: Duration,
    with_least sets least: Duration,
    with_gap sets gap: Duration,
    with_warm_up sets warm_up: Duration,
    with_daily_permille sets daily_permille: u32,
    with_floor_permille sets floor_permille: u32,
    with_transfer sets transfer: Duration,
}
