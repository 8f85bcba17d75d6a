//! Records that the destination refused: who is suspected, when nobody is, and where they are set aside.

use super::account::End;
use super::dead_letter::{Verdict, clean_reason};
use super::worker::Worker;
use crate::clock;
use crate::error::WriteError;
use crate::sinks::Entry;
use crate::stats::DropCause;

/// Single records refused in a row, with nothing of their batch stored, from which on the records are innocent: the
/// table or a constraint has changed, and dead-lettering everything would be the greater loss.
pub(super) const CIRCUIT_REFUSALS: usize = 32;

/// The code of a record over which the sink panicked.
const PANIC_CODE: &str = "sink_panic";

/// The code of a record of a kind for which a server turned out to have no place.
const UNROUTED_CODE: &str = "unrouted";

/// A record that stood alone when it was refused.
pub(super) struct Suspect {
    pub(super) entry: Entry,
    pub(super) code: String,
    pub(super) text: String,
    /// May quote the record, so only the dead-letter file gets it.
    pub(super) detail: String,
}

impl Worker {
    /// A record that was refused while it stood alone.
    pub(super) fn suspect(&self, entry: Entry, error: &WriteError) -> Suspect {
        let code = match error.code.as_str() {
            _ if self.panics_in_a_row > 0 => PANIC_CODE,
            "" => "rejected",
            code => code,
        };
        Suspect { entry, code: code.to_owned(), text: error.message.clone(), detail: error.detail.clone() }
    }

    /// Sets refused records aside in the dead-letter file, if there is one, and counts them.
    pub(super) fn bury(&mut self, suspects: Vec<Suspect>) {
        for suspect in suspects {
            let Suspect { entry, code, text, detail } = suspect;
            let reason = if detail.is_empty() { text.clone() } else { format!("{text}: {detail}") };
            let cause = match &mut self.dead_letter {
                Some(file) => {
                    let scopes = self.lane.shared.tables.scopes();
                    let resources = self.lane.shared.tables.resources();
                    let resource = resources.get(entry.record.resource() as usize);
                    let scope = entry.record.header().scope as usize;
                    let verdict = Verdict {
                        sink: &self.lane.spec.name,
                        code: &code,
                        reason: &reason,
                        instance: &self.lane.shared.instance,
                        now_unix_nano: clock::unix_nano(),
                        logger: scopes.get(scope).map_or("", |scope| &scope.name),
                        resource: resource.map_or("{}", |resource| &resource.json),
                    };
                    match file.append(&entry, &verdict) {
                        Ok(()) => poison_cause(&code),
                        Err(error) => {
                            self.lane.shared.diagnostics.say("dead letter", || {
                                format!(
                                    "could not write the dead-letter file: {error}; refused records are lost"
                                )
                            });
                            DropCause::DeadLetterFull
                        }
                    }
                }
                None => poison_cause(&code),
            };
            let name = &self.lane.spec.name;
            self.lane.shared.diagnostics.say("poison", || {
                format!(
                    "{name} refused a record ({code}: {}); its neighbours are stored",
                    clean_reason(&text)
                )
            });
            self.lane.tally().last_error = clean_reason(&text);
            self.settle(End::Dropped(cause), std::slice::from_ref(&entry));
        }
    }
}

fn poison_cause(code: &str) -> DropCause {
    match code {
        PANIC_CODE => DropCause::SinkPanic,
        UNROUTED_CODE => DropCause::Unrouted,
        _ => DropCause::Poison,
    }
}

/// Joins suspects and everything still on the stack into one batch again, in order.
pub(super) fn put_back(suspects: &mut Vec<Suspect>, stack: &mut Vec<Vec<Entry>>) {
    let mut all: Vec<Entry> = suspects.drain(..).map(|suspect| suspect.entry).collect();
    all.extend(stack.drain(..).rev().flatten());
    if !all.is_empty() {
        stack.push(all);
    }
}
