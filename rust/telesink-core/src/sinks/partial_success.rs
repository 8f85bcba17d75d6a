//! What an OTLP receiver says of records that it did not take, although it took the request.

use crate::record::wire::{Fields, Wire};
use serde_json::Value;

/// The partial success in the reply to a request; by default there is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartialSuccess {
    /// How many records were rejected; a receiver may say anything here, also a number below zero.
    pub(super) rejected: i64,
    /// Why, or a warning if none was rejected.
    pub(super) message: String,
}

impl PartialSuccess {
    /// Reads an `Export…ServiceResponse`; `None` if the body is none. Fields that this version does not know are left
    /// alone, as OTLP asks for.
    pub(super) fn of_protobuf(body: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut fields = Fields::new(body);
        for (number, wire) in fields.by_ref() {
            let (1, Wire::Bytes(message)) = (number, wire) else { continue };
            let mut inner = Fields::new(message);
            for (number, wire) in inner.by_ref() {
                match (number, wire) {
                    (1, Wire::Varint(count)) => found.rejected = count as i64,
                    (2, Wire::Bytes(text)) => found.message = String::from_utf8_lossy(text).into_owned(),
                    _ => {}
                }
            }
            if !inner.is_at_end() {
                return None;
            }
        }
        fields.is_at_end().then_some(found)
    }

    /// The same in JSON, where the number has the name `rejected_name`; `None` if the body is no such object.
    pub(super) fn of_json(body: &[u8], rejected_name: &str) -> Option<Self> {
        let reply: Value = serde_json::from_slice(body).ok()?;
        let Some(partial) = reply.as_object()?.get("partialSuccess").filter(|value| !value.is_null()) else {
            return Some(Self::default());
        };
        let rejected = match partial.as_object()?.get(rejected_name) {
            None | Some(Value::Null) => 0,
            // 64-bit numbers are text in OTLP's JSON.
            Some(Value::String(text)) => text.parse().ok()?,
            Some(number) => number.as_i64()?,
        };
        let message = partial.get("errorMessage").and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self { rejected, message })
    }
}
