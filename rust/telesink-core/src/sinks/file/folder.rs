//! A folder that is held open: whatever happens in it is done relative to its descriptor, so that no name can lead
//! anywhere else, and what its path names meanwhile does not count.

use crate::descriptors::Identity;
use crate::private_file::{check_file, check_folder, check_owner, refused};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::Path;

/// Not through a symbolic link that somebody put there; a FIFO must not hang the lane.
const GUARDS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open folder.
#[derive(Debug)]
pub(in crate::sinks) struct Folder {
    /// None only while it is dropped.
    descriptor: Option<OwnedFd>,
    identity: Option<Identity>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_sound() {
            // Its number leads to something of the program's.
            std::mem::forget(self.descriptor.take());
        }
    }
}

impl Folder {
    /// Opens the folder at a path, and makes it with mode 0700 if only it is missing.
    ///
    /// # Errors
    /// Its parent is missing, it is none, or others may exchange what is in it.
    pub(in crate::sinks) fn open_root(path: &Path) -> io::Result<Self> {
        let descriptor = match rustix::fs::openat(CWD, path, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => {
                make(CWD, path)?;
                rustix::fs::openat(CWD, path, FOLDER | OFlags::NOFOLLOW, Mode::empty())?
            }
            other => other?,
        };
        Self::checked(descriptor)
    }

    /// Opens a folder in this one that is there.
    pub(in crate::sinks) fn open_child(&self, name: &str) -> io::Result<Self> {
        Self::checked(rustix::fs::openat(self.fd()?, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)
    }

    /// Opens a folder in this one, and makes it with mode 0700 if it is missing.
    pub(in crate::sinks) fn make_child(&self, name: &str) -> io::Result<Self> {
        match self.open_child(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(self.fd()?, Path::new(name))?;
                self.open_child(name)
            }
            other => other,
        }
    }

    fn checked(descriptor: OwnedFd) -> io::Result<Self> {
        let found = rustix::fs::fstat(&descriptor)?;
        check_owner(&found)?;
        check_folder(&found)?;
        let identity = Some(Identity::from(&found));
        Ok(Self { descriptor: Some(descriptor), identity })
    }

    /// Whether the descriptor still leads to the folder, and has not been closed by the program and given to others.
    pub(in crate::sinks) fn is_sound(&self) -> bool {
        self.descriptor.as_ref().is_some_and(|descriptor| Identity::of(descriptor) == self.identity)
    }

    /// Whether this path certainly does not name this folder any more: it was moved or deleted.
    pub(in crate::sinks) fn is_elsewhere(&self, path: &Path) -> bool {
        differs(rustix::fs::stat(path), self.identity)
    }

    /// The same of a folder in this one.
    pub(in crate::sinks) fn is_child_elsewhere(&self, name: &str, child: &Self) -> bool {
        let Ok(folder) = self.fd() else { return true };
        differs(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW), child.identity)
    }

    /// The same of an open file in this folder.
    pub(in crate::sinks) fn is_file_elsewhere(&self, name: &str, file: Option<Identity>) -> bool {
        let Ok(folder) = self.fd() else { return true };
        differs(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW), file)
    }

    /// Opens a file to append to it, and makes it with mode 0600 if it is missing.
    ///
    /// # Errors
    /// It is no regular file, a symbolic link, somebody else's, or has a second name.
    pub(in crate::sinks) fn append_to(&self, name: &str) -> io::Result<File> {
        self.open(name, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND)
    }

    /// Makes a file that must not be there yet.
    pub(in crate::sinks) fn make_file(&self, name: &str) -> io::Result<File> {
        self.open(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens a file to read it.
    pub(in crate::sinks) fn read_file(&self, name: &str) -> io::Result<File> {
        self.open(name, OFlags::RDONLY)
    }

    fn open(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let file = rustix::fs::openat(self.fd()?, name, flags | GUARDS, Mode::RUSR | Mode::WUSR)?;
        check_file(&rustix::fs::fstat(&file)?)?;
        Ok(File::from(file))
    }

    /// Whether there is anything of this name.
    pub(in crate::sinks) fn has(&self, name: &str) -> bool {
        self.size_of(name).is_some()
    }

    /// The bytes of a file; none if it is not there.
    pub(in crate::sinks) fn size_of(&self, name: &str) -> Option<u64> {
        let found = rustix::fs::statat(self.fd().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(u64::try_from(found.st_size).unwrap_or(0))
    }

    /// Gives a file another name, which must be free.
    pub(in crate::sinks) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let folder = self.fd()?;
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::RenameFlags;
            match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
                // A file system that cannot: looked at below.
                Err(Errno::INVAL | Errno::NOSYS) => {}
                other => return Ok(other?),
            }
        }
        if self.has(to) {
            return Err(Errno::EXIST.into());
        }
        Ok(rustix::fs::renameat(folder, from, folder, to)?)
    }

    /// Lets a symbolic link of this name lead to `target`, in place of one that led elsewhere.
    pub(in crate::sinks) fn link(&self, name: &str, target: &str) -> io::Result<()> {
        let folder = self.fd()?;
        let part = format!(".{name}-{}", std::process::id());
        self.remove(&part)?;
        rustix::fs::symlinkat(target, folder, part.as_str())?;
        Ok(rustix::fs::renameat(folder, part.as_str(), folder, name)?)
    }

    /// Deletes a file; one that is gone already is no error.
    pub(in crate::sinks) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(self.fd()?, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            other => Ok(other?),
        }
    }

    /// The names in it that are text; others are nobody's that we know.
    pub(in crate::sinks) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.fd()?)? {
            if let Ok(name) = entry?.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Makes what happened to its names durable.
    pub(in crate::sinks) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.fd()?)?)
    }

    /// A copy of its descriptor as a file, to lock the folder by.
    pub(in crate::sinks) fn lockable(&self) -> io::Result<File> {
        Ok(File::from(self.fd()?.try_clone_to_owned()?))
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.descriptor.as_ref().map(AsFd::as_fd).ok_or_else(|| refused("it is closed"))
    }
}

/// Makes a folder that only this user may look into; one that another process made meanwhile is as good.
fn make(folder: BorrowedFd<'_>, name: &Path) -> io::Result<()> {
    match rustix::fs::mkdirat(folder, name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        other => Ok(other?),
    }
}

/// Where it cannot be told, as in a folder that this user may not look into any more, what is open is better than none.
fn differs(found: rustix::io::Result<Stat>, identity: Option<Identity>) -> bool {
    match found {
        Ok(found) => Some(Identity::from(&found)) != identity,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => true,
        Err(_) => false,
    }
}
