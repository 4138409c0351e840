//! Builder methods of configurations: `with_field(value)` sets one field and gives the configuration back.

macro_rules! builder {
    ($type:ident { $($with:ident: $field:ident: $value:ty),* $(,)? }) => {
        builder!($type { $($with: $field: $value),* } or {});
    };
    ($type:ident { $($with:ident: $field:ident: $value:ty),* $(,)? } or { $($with_or:ident: $field_or:ident: $value_or:ty),* $(,)? }) => {
        impl $type {
            $(
                #[doc = concat!("Sets [`", stringify!($type), "::", stringify!($field), "`].")]
                #[must_use]
                pub fn $with(mut self, $field: $value) -> Self {
                    self.$field = $field;
                    self
                }
            )*
            $(
                #[doc = concat!("Sets [`", stringify!($type), "::", stringify!($field_or), "`]: a value, or `None`.")]
                #[must_use]
                pub fn $with_or(mut self, $field_or: impl Into<Option<$value_or>>) -> Self {
                    self.$field_or = $field_or.into();
                    self
                }
            )*
        }
    };
}
pub(crate) use builder;
