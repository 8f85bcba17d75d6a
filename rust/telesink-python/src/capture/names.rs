//! Names that one thread has met lately: read, checked and judged once.
//!
//! Programs write the names of their attributes down as constants, so the same object comes again and again.

use super::text::plain_key;
use pyo3::prelude::*;
use std::sync::Arc;
use telesink_core::record::encode::KeptKey;
use telesink_core::redact::Redaction;

/// Names remembered per thread; a power of two. Services use about 30 for HTTP and 20 for a database, and two names
/// that meet in one place cost no more than one that is not remembered.
const NAMES_CACHED: usize = 256;

/// The names of one thread. Objects are told apart by their identity, and held: otherwise another one could stand at
/// the same address tomorrow.
pub(crate) struct Names {
    slots: Vec<Slot>,
}

#[derive(Default)]
struct Slot {
    /// Where the last name that was not found here lies: only who comes twice, and meets nobody else, is remembered.
    /// Names that are made anew each time never come again.
    missed: usize,
    known: Option<Known>,
}

struct Known {
    object: Py<PyAny>,
    redaction: Arc<Redaction>,
    name: Name,
}

/// A name that can be written as it is.
pub(super) struct Name {
    pub(super) key: KeptKey,
    /// Whether a text under it is hidden.
    pub(super) is_hidden: bool,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { slots: (0..NAMES_CACHED).map(|_| Slot::default()).collect() }
    }

    /// The name, if it is text and written as it is; none also for one that is new. Lets no Python code run, unless the
    /// answer is none.
    #[inline]
    pub(super) fn find(&mut self, name: &Bound<'_, PyAny>, redaction: &Arc<Redaction>) -> Option<&Name> {
        let address = name.as_ptr() as usize;
        let slot = ((address >> 4) ^ (Arc::as_ptr(redaction) as usize >> 6)) % NAMES_CACHED;
        let slot = self.slots.get_mut(slot)?;
        let is_known = slot
            .known
            .as_ref()
            .is_some_and(|known| known.object.is(name) && Arc::ptr_eq(&known.redaction, redaction));
        if is_known {
            // Whoever is used stays.
            slot.missed = 0;
        } else if !slot.learn(name, redaction) {
            return None;
        }
        slot.known.as_ref().map(|known| &known.name)
    }
}

impl Slot {
    /// Remembers a name that comes the second time.
    #[cold]
    fn learn(&mut self, name: &Bound<'_, PyAny>, redaction: &Arc<Redaction>) -> bool {
        let address = name.as_ptr() as usize;
        if std::mem::replace(&mut self.missed, address) != address {
            return false;
        }
        let Some(key) = plain_key(name) else { return false };
        let is_hidden = redaction.hides_name(key.as_str());
        self.known = Some(Known {
            object: name.clone().unbind(),
            redaction: Arc::clone(redaction),
            name: Name { key: key.into(), is_hidden },
        });
        true
    }
}
