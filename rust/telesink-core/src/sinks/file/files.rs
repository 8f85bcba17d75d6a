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
    /// Whose complete files are looked after.
    signals: &'static [&'static str],
}

impl Files {
    /// Files whose complete ones are looked after if they are of these signals.
    pub(super) fn new(options: Options, signals: &'static [&'static str]) -> Self {
        Self {
            rules: options.rules.clone(),
            services: Services::default(),
            switches: Switches::new(options.settings.clone()),
            keeper: None,
            signals,
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
        let (root, signals, rules) = (&self.options.root, self.signals, &self.rules);
        let start = || Keeper::start(root.clone(), signals, rules.clone());
        let keeper = self.keeper.get_or_insert_with(start);
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
        let mut stored = appended.lines;
        let mut error = appended.error;
        if self.options.fsync == Fsync::Batch
            && let Err(failed) = file.sync()
        {
            // Not durable is not stored, where that was asked for: its lines are written again.
            (stored, error) = (0, Some(failed));
        }
        if let Some(keeper) = &self.keeper {
            if self.options.fsync == Fsync::Interval {
                let handed =
                    file.take_unsynced().and_then(|copy| copy.map_or(Ok(()), |copy| keeper.sync_soon(copy)));
                error = error.or(handed.err());
            }
            if appended.has_rotated {
                keeper.look(&self.rules);
            }
        }
        if error.is_some() {
            // Opened anew next time: its disk may have gone away.
            file.let_go();
        }
        (stored, error)
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
