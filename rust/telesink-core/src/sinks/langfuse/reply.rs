//! What the server's answers say of each entry.

use crate::sinks::partial_success::PartialSuccess;
use crate::sinks::{Outcome, Refusal};
use serde_json::Value;
use std::collections::HashMap;

/// Most characters kept of what the server says about one entry.
pub(super) const DETAIL_CHARACTERS_MAX: usize = 1_024;

/// Most characters kept of an answer that cannot be read.
pub(super) const UNREADABLE_CHARACTERS_MAX: usize = 512;

/// What the server says about an event of a type that it does not take any more.
const NOT_ACCEPTED: &str = "not accepted";

/// What became of a classic batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClassicReply {
    pub(super) outcome: Outcome,
    /// Indexes of entries whose type is not accepted: this server wants spans.
    pub(super) not_accepted: Vec<usize>,
}

/// What became of one entry, from best to worst.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Fate {
    #[default]
    Unknown,
    Taken,
    Retry(String),
    NotAccepted,
    Refused(String, String),
}

impl Fate {
    fn rank(&self) -> u8 {
        match self {
            Fate::Unknown => 0,
            Fate::Taken => 1,
            Fate::Retry(_) => 2,
            Fate::NotAccepted => 3,
            Fate::Refused(..) => 4,
        }
    }
}

/// Reads the answer to a classic batch of `count` entries, of which `items` were made. `None` if it cannot be read.
///
/// Items are told apart by their ids. Of errors whose id is none of theirs only the number is known: so many of the
/// entries that are not mentioned at all count as rejected. Others that are not mentioned are taken: the server does
/// not list all types among its successes.
pub(super) fn classic(body: &[u8], items: &[(String, usize)], count: usize) -> Option<ClassicReply> {
    let reply: Value = serde_json::from_slice(body).ok()?;
    let list = |name: &str| reply.get(name).and_then(Value::as_array);
    let (successes, errors) = (list("successes"), list("errors"));
    if successes.is_none() && errors.is_none() {
        return None;
    }
    let mut entries: HashMap<&str, Vec<usize>> = HashMap::new();
    for (id, index) in items {
        entries.entry(id).or_default().push(*index);
    }
    let mut fates = vec![Fate::default(); count];
    let mut strays = 0;
    let mut tell = |item: &Value, fate: &Fate| {
        let known = item.get("id").and_then(Value::as_str).and_then(|id| entries.get(id));
        for index in known.into_iter().flatten() {
            if fates[*index].rank() < fate.rank() {
                fates[*index] = fate.clone();
            }
        }
        known.is_some()
    };
    for item in successes.into_iter().flatten() {
        tell(item, &Fate::Taken);
    }
    for item in errors.into_iter().flatten() {
        if !tell(item, &fate_of(item)) {
            strays += 1;
        }
    }
    Some(collect(fates, strays))
}

fn collect(fates: Vec<Fate>, strays: usize) -> ClassicReply {
    let mut reply = ClassicReply::default();
    let mut unknown = 0;
    for (index, fate) in fates.into_iter().enumerate() {
        match fate {
            Fate::Taken => {}
            Fate::Unknown => unknown += 1,
            Fate::Retry(why) => {
                reply.outcome.notice.get_or_insert(why);
                reply.outcome.retry.push(index);
            }
            Fate::NotAccepted => reply.not_accepted.push(index),
            Fate::Refused(code, text) => reply.outcome.refused.push(Refusal { index, code, text }),
        }
    }
    reply.outcome.rejected_by_server = strays.min(unknown);
    reply
}

fn fate_of(item: &Value) -> Fate {
    let status = item.get("status").and_then(Value::as_u64).unwrap_or(500);
    let text = detail(item);
    match status {
        200..300 => Fate::Taken,
        // Keys can be given their rights back; the others may pass by themselves.
        401 | 403 | 408 | 425 | 429 | 500.. => Fate::Retry(format!("item with status {status}: {text}")),
        _ if text.to_lowercase().contains(NOT_ACCEPTED) => Fate::NotAccepted,
        _ => Fate::Refused(format!("http_{status}"), text),
    }
}

/// The message of an error and what it is about, cut.
fn detail(item: &Value) -> String {
    let part = |name: &str| match item.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    let parts: Vec<String> = [part("message"), part("error")].into_iter().flatten().collect();
    cut(&parts.join(": "), DETAIL_CHARACTERS_MAX)
}

/// Reads the answer to a list of scores: how many were rejected, and why the first one was. `None` if it cannot be
/// read.
pub(super) fn scores(body: &[u8]) -> Option<(usize, String)> {
    let reply: Value = serde_json::from_slice(body).ok()?;
    if !reply.is_object() && !reply.is_array() {
        return None;
    }
    let errors = reply.get("errors").and_then(Value::as_array);
    let listed = errors.map_or(0, Vec::len);
    let rejected = reply.get("rejected").and_then(Value::as_u64).map_or(listed, |count| count as usize);
    let why = errors.and_then(|errors| errors.first()).map(detail).unwrap_or_default();
    Some((rejected, why))
}

/// Reads the answer to spans: how many the server rejected, and why. `None` if it cannot be read: then something else
/// has answered.
pub(super) fn spans(body: &[u8]) -> Option<(usize, String)> {
    if body.is_empty() {
        return Some((0, String::new()));
    }
    let found =
        PartialSuccess::of_json(body, "rejectedSpans").or_else(|| PartialSuccess::of_protobuf(body))?;
    let rejected = usize::try_from(found.rejected).unwrap_or(0);
    Some((rejected, cut(&found.message, DETAIL_CHARACTERS_MAX)))
}

/// The start of a text.
pub(super) fn cut(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).collect()
}
