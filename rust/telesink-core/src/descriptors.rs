//! Descriptors that somebody else may close.
//!
//! A program that turns into a daemon closes all descriptors it finds, and the files that it opens then get their
//! numbers. Whatever is written to a number afterwards lands in those files. So whoever keeps a descriptor remembers
//! what it led to, and looks before using it; one that leads elsewhere is forgotten, never closed.

#[cfg(unix)]
use rustix::fd::AsFd;
use std::path::PathBuf;

/// Device and inode of an open file or socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    /// What a descriptor leads to now; `None` if it is closed.
    #[cfg(unix)]
    pub(crate) fn of(descriptor: impl AsFd) -> Option<Self> {
        rustix::fs::fstat(descriptor).ok().as_ref().map(Self::from)
    }

    /// No system but Unix hands a number out again to others.
    #[cfg(not(unix))]
    pub(crate) fn of<T>(_descriptor: T) -> Option<Self> {
        Some(Self(0, 0))
    }
}

#[cfg(unix)]
impl From<&rustix::fs::Stat> for Identity {
    #[expect(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "both have other types on other systems"
    )]
    fn from(found: &rustix::fs::Stat) -> Self {
        Self(found.st_dev as u64, u64::from(found.st_ino))
    }
}

/// A descriptor of the kernel's own kind, which has no inode of its own. Only Linux tells them apart, and not from
/// another of the same kind that got the same numbers anew.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Anonymous {
    number: String,
    kind: PathBuf,
    /// The kernel's number of an eventfd.
    id: Option<String>,
}

impl Anonymous {
    /// Those of the event loops that this process has open; none where the system does not show them.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
            return Vec::new();
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(Self::at).collect()
    }

    /// Whether the number still leads to the same.
    pub(crate) fn is_there(&self) -> bool {
        Self::at(self.number.clone()).is_some_and(|found| found == *self)
    }

    fn at(number: String) -> Option<Self> {
        let kind = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        match kind.to_str()? {
            "anon_inode:[eventpoll]" => Some(Self { number, kind, id: None }),
            "anon_inode:[eventfd]" => {
                let shown = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
                let id = shown.lines().find(|line| line.starts_with("eventfd-id:")).map(str::to_owned);
                Some(Self { number, kind, id })
            }
            _ => None,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_file_has_an_identity_that_its_copies_share_and_no_other_file() {
        let (one, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());

        let copy: File = one.try_clone().unwrap();

        assert_eq!(Identity::of(&one), Identity::of(&copy));
        assert_ne!(Identity::of(&one), Identity::of(&other));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_event_loop_that_is_gone_is_not_taken_for_the_files_at_its_numbers() {
        let before = Anonymous::all();
        let first = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let held: Vec<_> = Anonymous::all().into_iter().filter(|one| !before.contains(one)).collect();
        assert!(held.iter().any(|one| one.id.is_some()) && held.iter().all(Anonymous::is_there));

        drop(first);
        let _files: Vec<File> = held.iter().map(|_| tempfile::tempfile().unwrap()).collect();

        assert!(!held.iter().all(Anonymous::is_there));
    }
}
