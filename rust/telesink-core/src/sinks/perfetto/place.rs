//! Where the file of this process lies, and the link to the newest execution.

use crate::descriptors::Identity;
use crate::sinks::file::folder::Folder;
use std::fs::File;
use std::io;
use std::path::Path;

const EXECUTIONS: &str = "executions";

/// Names that are tried at once; the next attempt goes on behind them.
const NAMES_MAX: u32 = 10_000;

/// The file that packets are appended to.
#[derive(Debug)]
pub(super) struct Place {
    file: Option<File>,
    identity: Option<Identity>,
    /// So many bytes are whole packets.
    pub(super) bytes: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_sound() {
            // The program has closed it, and the number leads to a file of its own.
            std::mem::forget(self.file.take());
        }
    }
}

impl Place {
    /// Makes the folders and the file, which must be new, and lets `latest` lead to the execution. `number` is where to look
    /// for a free name from, and afterwards where the next one may be.
    pub(super) fn make(root: &Path, execution: &str, name: &str, number: &mut u64) -> io::Result<Self> {
        let root = Folder::open_root(root)?;
        let folder = root.make_child(EXECUTIONS)?.make_child(execution)?;
        root.link("latest", &format!("{EXECUTIONS}/{execution}"))?;
        for _ in 0..NAMES_MAX {
            // Names may be those of a process of the same number before.
            let ending = if *number == 0 { String::new() } else { format!(".{number}") };
            match folder.make_file(&format!("{name}{ending}.pftrace")) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => *number += 1,
                Err(error) => return Err(error),
                Ok(file) => {
                    *number += 1;
                    let identity = Identity::of(&file);
                    return Ok(Self { file: Some(file), identity, bytes: 0 });
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Whether the descriptor still leads to the file.
    pub(super) fn is_sound(&self) -> bool {
        self.file.as_ref().is_some_and(|file| Identity::of(file) == self.identity)
    }

    /// Appends whole packets: all of them, or none.
    ///
    /// # Errors
    /// Why not; afterwards the file holds what it held before, or is no longer [sound](Self::is_sound).
    pub(super) fn append(&mut self, packets: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let written = io::Write::write_all(file, packets);
        if written.is_ok() {
            self.bytes += packets.len() as u64;
            return Ok(());
        }
        // Nobody else writes here. Should this fail as well, the reader finds a torn packet at the end of the file.
        let cut =
            file.set_len(self.bytes).and_then(|()| io::Seek::seek(file, io::SeekFrom::Start(self.bytes)));
        if cut.is_err() {
            self.file = None;
        }
        written
    }
}
