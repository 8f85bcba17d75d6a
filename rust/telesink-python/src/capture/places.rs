//! Places in code that exceptions have passed before: file, function and line, remembered per thread.
//!
//! The line of a traceback entry is found by a scan of the code's line table (1,556 instructions a frame on CPython
//! 3.11, by callgrind), and the same exceptions tend to come from the same places.

use pyo3::prelude::*;
use pyo3::types::PyType;
use std::cell::RefCell;
use std::rc::Rc;

/// Places remembered per thread; a power of two. Each keeps its code object alive, so that an address means one
/// code object and no other.
const PLACES: usize = 128;

/// Classes remembered per thread; a power of two. Each is kept alive, for the same reason.
const CLASSES: usize = 32;

struct Place {
    code: Py<PyAny>,
    instruction: i64,
    filename: Box<str>,
    function: Box<str>,
    line: u32,
}

/// A class and the name that is shown for it.
type KnownClass = (Py<PyType>, Rc<str>);

thread_local! {
    static KNOWN: RefCell<Vec<Option<Place>>> = RefCell::new((0..PLACES).map(|_| None).collect());
    static NAMES: RefCell<Vec<Option<KnownClass>>> = RefCell::new((0..CLASSES).map(|_| None).collect());
}

#[inline]
fn slot(code: &Bound<'_, PyAny>, instruction: i64) -> usize {
    ((code.as_ptr() as usize >> 4) ^ (instruction as usize)) % PLACES
}

/// Shows the place to `see` if it is known; answers whether it is.
#[inline]
pub(super) fn find(code: &Bound<'_, PyAny>, instruction: i64, see: impl FnOnce(&str, &str, u32)) -> bool {
    let found = KNOWN.try_with(|known| {
        let known = known.try_borrow().ok()?;
        let place = known[slot(code, instruction)].as_ref()?;
        if place.instruction != instruction || !place.code.is(code) {
            return None;
        }
        see(&place.filename, &place.function, place.line);
        Some(())
    });
    found.ok().flatten().is_some()
}

/// Remembers a place, in the stead of another one if need be.
pub(super) fn remember(code: &Bound<'_, PyAny>, instruction: i64, filename: &str, function: &str, line: u32) {
    let place = Place {
        code: code.clone().unbind(),
        instruction,
        filename: filename.into(),
        function: function.into(),
        line,
    };
    // What is replaced is dropped outside: its last reference may run Python code, which may raise and be logged.
    let replaced = KNOWN.try_with(|known| {
        known.try_borrow_mut().ok().and_then(|mut known| known[slot(code, instruction)].replace(place))
    });
    drop(replaced);
}

/// The name of a class, made by `make` if it is not known.
#[inline]
pub(super) fn class_name(class: &Bound<'_, PyType>, make: impl FnOnce() -> String) -> Rc<str> {
    let slot = (class.as_ptr() as usize >> 4) % CLASSES;
    let known = NAMES.try_with(|names| {
        let names = names.try_borrow().ok()?;
        let (known, name) = names[slot].as_ref()?;
        known.is(class).then(|| Rc::clone(name))
    });
    if let Ok(Some(name)) = known {
        return name;
    }
    let name: Rc<str> = make().into();
    let entry = (class.clone().unbind(), Rc::clone(&name));
    let replaced =
        NAMES.try_with(|names| names.try_borrow_mut().ok().and_then(|mut names| names[slot].replace(entry)));
    drop(replaced);
    name
}
