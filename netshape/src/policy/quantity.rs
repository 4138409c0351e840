//! Numbers with units in a policy file.

use alloc::string::{String, ToString};

/// A number with its unit, as text. A bare number is kept as it stands, so that it is refused with its field's name like any
/// other without a unit.
pub(super) struct Quantity(String);

impl<'de> serde::Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl serde::de::Visitor<'_> for Any {
            type Value = Quantity;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a number with its unit, such as \"50mbit\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_string()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
        }
        from.deserialize_any(Any)
    }
}

pub(super) fn text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    <Quantity as serde::Deserialize>::deserialize(from).map(|q| q.0)
}

pub(super) fn maybe_text<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<String>, D::Error> {
    <Option<Quantity> as serde::Deserialize>::deserialize(from).map(|q| q.map(|q| q.0))
}
