//! Forks: every process generation has a number, and whatever belongs to another one is left alone.
//!
//! Not every fork runs Python's hooks: uWSGI forks its workers without, and so does a C extension. Nor does every one
//! run those of the C library (a raw `clone`). So a child is noticed in three ways, whichever comes first: by Python's
//! hook, by `pthread_atfork`, and by every call into this module, which looks at one word of memory that the kernel
//! sets to zero in the child of any fork.
#![allow(unsafe_code)]

use crate::edge::edge;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use telesink_core::fork;

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Whose the memory is: [`SEEN`] on a page that a fork wipes; where the kernel has no such pages, the process id.
static OWNER: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());

/// Where the kernel wipes nothing.
static PROCESS_ID: AtomicU32 = AtomicU32::new(0);

/// On a wiped page: this process knows that it is itself.
const SEEN: u32 = 1;

/// A thread is about to make a new generation. No process id is as large.
const NOTICING: u32 = u32::MAX;

/// Looks at another thread that makes a new generation, which takes it a few stores. After that many it is taken for
/// gone: a fork in the middle of it, where the kernel wipes nothing.
const LOOKS_MAX: u32 = 10_000;

/// The generation of this process. A child of a fork becomes a new one here at the latest.
#[inline]
pub(crate) fn generation() -> u64 {
    if !is_known() {
        notice();
    }
    GENERATION.load(Ordering::Relaxed)
}

#[inline]
fn is_known() -> bool {
    let page = OWNER.load(Ordering::Relaxed);
    // SAFETY: null, or a word of a mapping that is never taken back.
    match unsafe { page.as_ref() } {
        Some(owner) => owner.load(Ordering::Acquire) == SEEN,
        None => PROCESS_ID.load(Ordering::Acquire) == std::process::id(),
    }
}

/// Begins a new generation, once, in the child of a fork; takes no lock, allocates nothing, touches nothing of the
/// parent's. Does nothing in a process that is known.
#[cold]
fn notice() {
    let page = OWNER.load(Ordering::Relaxed);
    // SAFETY: as in `is_known`.
    let (owner, known) = match unsafe { page.as_ref() } {
        Some(owner) => (owner, SEEN),
        None => (&PROCESS_ID, std::process::id()),
    };
    for look in 0.. {
        let found = owner.load(Ordering::Acquire);
        if found == known {
            return;
        }
        if found == NOTICING && look < LOOKS_MAX {
            std::hint::spin_loop();
        } else if owner.compare_exchange(found, NOTICING, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            fork::after_in_child();
            GENERATION.fetch_add(1, Ordering::AcqRel);
            owner.store(known, Ordering::Release);
            return;
        }
    }
}

/// Gets ready to notice forks. Called once, when the module is imported.
pub(crate) fn install() {
    PROCESS_ID.store(std::process::id(), Ordering::Release);
    let page = wiped_page();
    // SAFETY: null, or the first word of a mapping that is never taken back, and aligned to a page.
    if let Some(owner) = unsafe { page.as_ref() } {
        owner.store(SEEN, Ordering::Release);
        OWNER.store(page, Ordering::Release);
    }
    #[cfg(unix)]
    // SAFETY: the three functions live as long as the process, since extension modules are never unloaded; they
    // do not panic, and the one for the child takes no lock. It fails only for want of memory; then the word remains.
    let _registered = unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
}

/// A page of zeros that a fork sets to zero again (Linux 4.14 and newer); null if there is none.
#[cfg(target_os = "linux")]
fn wiped_page() -> *mut AtomicU32 {
    const BYTES: usize = 4_096;
    // SAFETY: a private mapping of its own at an address that the kernel chooses; nothing else is touched.
    unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(std::ptr::null_mut(), BYTES, access, kind, -1, 0);
        if page == libc::MAP_FAILED {
            return std::ptr::null_mut();
        }
        if libc::madvise(page, BYTES, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, BYTES);
            return std::ptr::null_mut();
        }
        page.cast()
    }
}

#[cfg(not(target_os = "linux"))]
fn wiped_page() -> *mut AtomicU32 {
    std::ptr::null_mut()
}

#[cfg(unix)]
extern "C" fn prepare() {
    if !fork::before() {
        // This thread may hold the interpreter.
        fork::wait_briefly();
    }
    fork::close();
}

#[cfg(unix)]
extern "C" fn in_parent() {
    fork::after_in_parent();
}

#[cfg(unix)]
extern "C" fn in_child() {
    notice();
}

/// Called before a fork by Python: waits, with a limit and without the interpreter, until no lane is inside a library
/// whose state a child cannot use. The C library's hook then does not wait any more.
#[pyfunction]
pub(crate) fn before_fork(py: Python<'_>) -> PyResult<()> {
    edge("before_fork", || {
        // Nobody is inside most of the time; the interpreter is let go only if there is something to wait for.
        if !fork::before() {
            py.detach(fork::wait);
        }
        Ok(())
    })
}

/// Called in the parent after a fork, also after one that failed.
#[pyfunction]
pub(crate) fn after_fork_in_parent() -> PyResult<()> {
    edge("after_fork_in_parent", || {
        fork::after_in_parent();
        Ok(())
    })
}

/// The number of this process among its ancestors that were forked from one another: every child has a new one.
#[pyfunction]
pub(crate) fn process_generation() -> PyResult<u64> {
    edge("process_generation", || Ok(generation()))
}

/// How the child of a fork is noticed that ran no hooks: `wiped page`, or `process id`.
#[pyfunction]
pub(crate) fn fork_detection() -> PyResult<&'static str> {
    edge("fork_detection", || {
        Ok(if OWNER.load(Ordering::Relaxed).is_null() { "process id" } else { "wiped page" })
    })
}

/// Writes one line to standard error, raw, with `telesink: ` in front.
#[pyfunction]
pub(crate) fn write_line(py: Python<'_>, text: &str) -> PyResult<()> {
    edge("write_line", || {
        py.detach(|| telesink_core::diagnostics::write_line(text));
        Ok(())
    })
}
