//! The files of one lane or appender: where each service's are, by which rules they are rotated, who is kept out of
//! them, and the thread that looks after the complete ones.

use super::active::Lines;
use super::keeper::Keeper;
use super::rules::Rules;
use super::services::Services;
use super::switches::Switches;
use super::{Fsync, Options, SIGNALS, failure};
use crate::error::WriteError;
use std::io;

/// Appends lines; used by one thread.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) options: Options,
    rules: Rules,
    pub(super) services: Services,
    pub(super) switches: Switches,
    /// From the first lines on.
    keeper: Option<Keeper>,
}

impl Files {
    pub(super) fn new(options: Options) -> Self {
        Self {
            rules: options.rules.clone(),
            services: Services::default(),
            switches: Switches::new(options.settings.clone()),
            keeper: None,
            options,
        }
    }

    /// Follows the settings file and starts the keeper. Answers what there is to tell.
    pub(super) fn prepare(&mut self) -> Option<String> {
        let notice = match self.switches.refresh() {
            Ok(false) => None,
            Ok(true) => {
                self.rules = self.switches.rules(&self.options.rules);
                if let Some(keeper) = &self.keeper {
                    keeper.look(&self.rules);
                }
                None
            }
            Err(text) => Some(text),
        };
        let (root, rules) = (&self.options.root, &self.rules);
        let keeper = self.keeper.get_or_insert_with(|| Keeper::start(root.clone(), rules.clone()));
        notice.or_else(|| keeper.take_notice())
    }

    /// Appends lines to a file of a service. Answers how many from the front are stored, and why not all are.
    pub(super) fn append(
        &mut self,
        service: usize,
        signal: usize,
        lines: &Lines,
        now_unix_nano: u64,
    ) -> (usize, Option<io::Error>) {
        let (folder, file) = match self.services.file(&self.options.root, service, signal) {
            Ok(found) => found,
            Err(error) => return (0, Some(error)),
        };
        let appended = file.append(folder, lines, &self.rules, now_unix_nano);
        let mut error = appended.error;
        if error.is_none() && self.options.fsync == Fsync::Batch {
            error = file.sync().err();
        }
        if let Some(keeper) = &self.keeper {
            if self.options.fsync == Fsync::Interval
                && let Some(copy) = file.take_unsynced()
            {
                keeper.sync_soon(copy);
            }
            if appended.has_rotated {
                keeper.look(&self.rules);
            }
        }
        // Not durable is not stored, where that was asked for.
        let is_stored = error.is_none() || self.options.fsync != Fsync::Batch;
        (if is_stored { appended.lines } else { 0 }, error)
    }

    /// What an error of one file means.
    pub(super) fn judge(&self, service: usize, signal: usize, error: &io::Error) -> WriteError {
        let file = format!("{}.jsonl of {}", SIGNALS[signal], self.services.name(service));
        failure::judge(&self.options.target, &file, error)
    }

    /// Makes what was written durable if that was asked for, and closes everything.
    pub(super) fn close(&mut self) -> Result<(), WriteError> {
        let mut result = Ok(());
        if self.options.fsync != Fsync::Never {
            for file in self.services.open_files() {
                result = result.and(file.sync());
            }
        }
        self.services = Services::default();
        self.keeper = None;
        result.map_err(|error| failure::judge(&self.options.target, "files", &error))
    }
}
