//! What the bundled `SQLite` may do to its descriptors: nothing, once they are somebody else's.
//!
//! A program that turns into a daemon closes all descriptors it finds, and the next files that it opens get their
//! numbers. `SQLite` would go on writing pages to those numbers. It offers its table of system calls for exchange; here
//! each call with a descriptor first looks whether that still leads to the file that was opened. One that does not is
//! refused as closed, and is never closed itself. A look is one `fstat`.
#![allow(unsafe_code)]

/// Makes the bundled `SQLite` look before each call. Called once, before the first connection.
#[cfg(target_os = "linux")]
pub(crate) fn install() {
    linux::install();
}

/// Elsewhere a descriptor of `SQLite` must not be closed; the documentation says so.
#[cfg(not(target_os = "linux"))]
pub(crate) fn install() {}

/// Whether a descriptor of `SQLite` still leads to its file. If not, `errno` says so.
#[cfg(target_os = "linux")]
pub(crate) use linux::is_own;

#[cfg(target_os = "linux")]
mod linux {
    use crate::process;
    use arc_swap::ArcSwap;
    use libc::{c_char, c_int, c_void, mode_t, off_t, size_t, ssize_t};
    use rusqlite::ffi;
    use std::ffi::CStr;
    use std::mem::{MaybeUninit, forget, transmute};
    use std::sync::{Arc, LazyLock, Mutex, PoisonError};

    /// Device and inode.
    type Identity = (libc::dev_t, libc::ino_t);

    /// What one process has opened: three for each database.
    #[derive(Default)]
    struct Opened {
        generation: u64,
        descriptors: Mutex<Vec<(c_int, Identity)>>,
    }

    static OPENED: LazyLock<ArcSwap<Opened>> = LazyLock::new(ArcSwap::default);

    /// Gives `work` what this process has opened. After a fork that is nothing: the databases of a parent are left alone,
    /// and the lock on its list may be held by a thread that this process does not have.
    fn with_opened<T>(work: impl FnOnce(&mut Vec<(c_int, Identity)>) -> T) -> T {
        let mut opened = OPENED.load();
        let generation = process::generation();
        if opened.generation != generation {
            forget(Arc::clone(&opened));
            OPENED.compare_and_swap(&opened, Arc::new(Opened { generation, ..Opened::default() }));
            opened = OPENED.load();
        }
        work(&mut opened.descriptors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn install() {
        let calls: [(&CStr, *const ()); 9] = [
            (c"open", open as *const ()),
            (c"close", close as *const ()),
            (c"fstat", fstat as *const ()),
            (c"ftruncate", ftruncate as *const ()),
            (c"read", read as *const ()),
            (c"pread", pread as *const ()),
            (c"write", write as *const ()),
            (c"pwrite", pwrite as *const ()),
            (c"mmap", mmap as *const ()),
        ];
        telesink_core::sinks::sqlite::set_descriptor_check(are_all_own);
        // SAFETY: the default VFS is static and lives as long as the process. Its table takes a function pointer under the
        // name of each call, and calls it with the arguments of that call; `open` always with all three.
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
            let Some(set) = vfs.as_ref().and_then(|vfs| vfs.xSetSystemCall) else { return };
            for (name, call) in calls {
                let call: unsafe extern "C" fn() = transmute(call);
                // Refused only for an unknown name, and these have been in the table since 3.7.
                let answer = set(vfs, name.as_ptr(), Some(call));
                debug_assert_eq!(answer, ffi::SQLITE_OK);
            }
        }
    }

    fn identity(descriptor: c_int) -> Option<Identity> {
        let mut found = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the kernel fills the whole structure if it answers zero.
        unsafe {
            if libc::fstat(descriptor, found.as_mut_ptr()) != 0 {
                return None;
            }
            let found = found.assume_init();
            Some((found.st_dev, found.st_ino))
        }
    }

    fn are_all_own() -> bool {
        with_opened(|opened| {
            opened.iter().all(|(descriptor, known)| identity(*descriptor).as_ref() == Some(known))
        })
    }

    pub(crate) fn is_own(descriptor: c_int) -> bool {
        let known = with_opened(|opened| {
            opened.iter().find(|(number, _)| *number == descriptor).map(|(_, known)| *known)
        });
        if known.is_none() || identity(descriptor) == known {
            return true;
        }
        telesink_core::sinks::sqlite::note_lost_descriptor();
        // SAFETY: the address of this thread's `errno`.
        unsafe { *libc::__errno_location() = libc::EBADF };
        false
    }

    /// # Safety
    /// As for `open`.
    unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
        // SAFETY: handed on as it came.
        let descriptor = unsafe { libc::open(path, flags, mode as mode_t) };
        if descriptor >= 0 {
            with_opened(|opened| {
                opened.retain(|(number, _)| *number != descriptor);
                opened.extend(identity(descriptor).map(|found| (descriptor, found)));
            });
        }
        descriptor
    }

    /// # Safety
    /// As for `close`.
    unsafe extern "C" fn close(descriptor: c_int) -> c_int {
        let is_own = is_own(descriptor);
        with_opened(|opened| opened.retain(|(number, _)| *number != descriptor));
        // SAFETY: handed on as it came.
        if is_own { unsafe { libc::close(descriptor) } } else { 0 }
    }

    /// The same call with a look in front of it, and what it answers if the descriptor is somebody else's.
    macro_rules! guarded {
        ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {$(
            /// # Safety
            /// As for the call of that name.
            unsafe extern "C" fn $name(descriptor: c_int $(, $argument: $kind)*) -> $answer {
                if !is_own(descriptor) {
                    return -1;
                }
                // SAFETY: handed on as it came.
                unsafe { libc::$name(descriptor $(, $argument)*) }
            }
        )*};
    }

    guarded! {
        fstat(found: *mut libc::stat) -> c_int;
        ftruncate(size: off_t) -> c_int;
        read(bytes: *mut c_void, size: size_t) -> ssize_t;
        pread(bytes: *mut c_void, size: size_t, offset: off_t) -> ssize_t;
        write(bytes: *const c_void, size: size_t) -> ssize_t;
        pwrite(bytes: *const c_void, size: size_t, offset: off_t) -> ssize_t;
    }

    /// # Safety
    /// As for `mmap`.
    unsafe extern "C" fn mmap(
        address: *mut c_void,
        size: size_t,
        protection: c_int,
        flags: c_int,
        descriptor: c_int,
        offset: off_t,
    ) -> *mut c_void {
        if descriptor >= 0 && !is_own(descriptor) {
            return libc::MAP_FAILED;
        }
        // SAFETY: handed on as it came.
        unsafe { libc::mmap(address, size, protection, flags, descriptor, offset) }
    }
}
