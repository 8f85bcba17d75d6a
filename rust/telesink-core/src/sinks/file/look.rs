//! One look at a folder: what the rules do not keep is deleted, first, because it makes room; then what is left is
//! compressed. An error of one file keeps no other from its turn.

use super::folder::Folder;
use super::retain::{Found, doomed, rotated_of, too_much};
use super::rules::Rules;
use crate::clock;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// Piece by which a file is compressed; between two the thread does whatever else is due.
const PIECE_BYTES: usize = 256 * 1024;

/// Services that one look goes through, at most.
const FOLDERS_MAX: usize = 4_096;

/// Written next to a file while it is compressed.
const PART: &str = ".part";

/// A look at a folder.
pub(super) struct Look<'l> {
    pub(super) root: &'l Path,
    pub(super) signals: &'l [&'static str],
    pub(super) rules: &'l Rules,
    /// Asked now and then: whether to go on.
    pub(super) goes_on: &'l dyn Fn() -> bool,
}

/// Rotated files that stay, with the service and the signal that each belongs to.
type Kept = Vec<((String, &'static str), Found)>;

impl Look<'_> {
    /// Looks at every service. Answers the first error, after everything was tried.
    pub(super) fn all(&self) -> io::Result<()> {
        let root = match Folder::open_root(self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut result = Ok(());
        let (mut kept, mut bytes) = (Kept::new(), 0);
        let names = root.names()?.into_iter().filter(|name| !name.starts_with('.')).take(FOLDERS_MAX);
        for name in names {
            if !(self.goes_on)() {
                return result;
            }
            // Files, and folders of others, are no business of ours.
            let Ok(folder) = root.open_child(&name) else { continue };
            let deleted = in_turn(&folder, || self.delete(&folder, &name, &mut kept, &mut bytes));
            result = result.and(deleted);
        }
        for ((name, signal), file) in too_much(kept.clone(), bytes, self.rules) {
            let removed = root.open_child(&name).and_then(|folder| folder.remove(&file.name));
            result = result.and(removed);
            kept.retain(|((of, kind), other)| (of, *kind, &other.name) != (&name, signal, &file.name));
        }
        if self.rules.is_gzip {
            for ((name, signal), file) in kept.iter().filter(|(_, file)| !file.rotated.is_gzip) {
                if !(self.goes_on)() {
                    return result;
                }
                let Ok(folder) = root.open_child(name) else { continue };
                result = result.and(in_turn(&folder, || self.compress(&folder, signal, file)));
            }
        }
        result
    }

    /// Deletes what a service has too many of or for too long, and adds up what stays.
    fn delete(&self, folder: &Folder, name: &str, kept: &mut Kept, bytes: &mut u64) -> io::Result<()> {
        let names = folder.names()?;
        let mut result = Ok(());
        for &signal in self.signals {
            let is_part = |name: &&String| name.starts_with(&format!(".{signal}-")) && name.ends_with(PART);
            for part in names.iter().filter(is_part) {
                // Its process ended in the middle; the file itself is still there.
                result = result.and(folder.remove(part));
            }
            let mut files = rotated_of(signal, &names, |name| folder.size_of(name));
            for name in doomed(&mut files, self.rules, clock::unix_nano()) {
                result = result.and(folder.remove(&name));
            }
            *bytes += files.iter().map(|file| file.bytes).sum::<u64>();
            *bytes += folder.size_of(&format!("{signal}.jsonl")).unwrap_or(0);
            kept.extend(files.into_iter().map(|file| ((name.to_owned(), signal), file)));
        }
        result
    }

    /// Compresses a file. The compressed one is complete and durable before it gets its name, and the plain one is deleted
    /// last: at no moment is a line in neither of them.
    fn compress(&self, folder: &Folder, signal: &str, file: &Found) -> io::Result<()> {
        let mut rotated = file.rotated.clone();
        rotated.is_gzip = true;
        let gzip = rotated.name(signal);
        let part = format!(".{gzip}{PART}");
        let mut from = match folder.read_file(&file.name) {
            // Somebody else had a turn.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let into = folder.make_file(&part)?;
        let done = self.copy(&mut from, into);
        if !matches!(done, Ok(true)) {
            folder.remove(&part)?;
            return done.map(drop);
        }
        folder.rename(&part, &gzip)?;
        folder.sync()?;
        folder.remove(&file.name)
    }

    /// Answers false if it was told not to go on.
    fn copy(&self, from: &mut File, into: File) -> io::Result<bool> {
        let mut encoder = GzEncoder::new(BufWriter::with_capacity(PIECE_BYTES, into), Compression::default());
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = from.read(&mut piece)?;
            if count == 0 {
                let into = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
                into.sync_all()?;
                return Ok(true);
            }
            encoder.write_all(&piece[..count])?;
            if !(self.goes_on)() {
                return Ok(false);
            }
        }
    }
}

/// Does something while no other process does it to this folder; nothing if one is at it.
fn in_turn(folder: &Folder, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let Ok(turn) = folder.lockable() else { return Ok(()) };
    if turn.try_lock().is_err() {
        return Ok(());
    }
    let result = work();
    // Said in so many words: a child of a fork may hold a copy of the descriptor.
    result.and(turn.unlock())
}
