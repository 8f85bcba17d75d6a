//! The usual message, `"… %s … %d"` with text and whole numbers, without CPython's formatter and the object it makes:
//! about a tenth of what a log call costs in telesink.

use super::fields::{Fields, field};
use crate::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

/// Longest template and longest argument that are put together here, in characters. The formatter's share of longer ones
/// is small, and asking a text for its UTF-8 may pin a copy to it.
const CHARACTERS_MAX: usize = 512;

/// Longest message put together here, in bytes: what a thread keeps for the next one.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Puts the message of a plain `LogRecord` together in `out`. Answers whether it could; if not, `out` holds nothing of
/// use, and CPython has to say what the message is, or what is wrong with it.
#[inline]
pub(super) fn format_plain(out: &mut String, fields: &Fields<'_>) -> bool {
    let Some(template) = fields.get(field::MSG).and_then(|msg| msg.cast_exact::<PyString>().ok()) else {
        return false;
    };
    let Some(args) = fields.get(field::ARGS).and_then(|args| args.cast_exact::<PyTuple>().ok()) else {
        return false;
    };
    // No arguments: the template is the message, percent signs and all.
    !args.is_empty() && put_template(out, template, args).is_some()
}

fn put_template(out: &mut String, template: &Bound<'_, PyString>, args: &Bound<'_, PyTuple>) -> Option<()> {
    out.clear();
    let mut args = args.iter_borrowed();
    let mut rest = short_text(template)?;
    while let Some(at) = rest.find('%') {
        let (before, conversion) = rest.split_at(at);
        out.push_str(before);
        let mut after = conversion.chars();
        after.next();
        match after.next()? {
            '%' => out.push('%'),
            's' => {
                let value = args.next()?;
                put_value(out, &value)?;
            }
            'd' => {
                let value = args.next()?;
                put_integer(out, &value)?;
            }
            _ => return None,
        }
        if out.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        rest = after.as_str();
    }
    out.push_str(rest);
    // One argument too many is an error that CPython words.
    args.next().is_none().then_some(())
}

#[inline]
fn put_value(out: &mut String, value: &Bound<'_, PyAny>) -> Option<()> {
    if let Ok(text) = value.cast_exact::<PyString>() {
        out.push_str(short_text(text)?);
        return Some(());
    }
    put_integer(out, value)
}

#[inline]
fn put_integer(out: &mut String, value: &Bound<'_, PyAny>) -> Option<()> {
    let number = ffi::small_integer(value)?;
    out.push_str(itoa::Buffer::new().format(number));
    Some(())
}

#[inline]
fn short_text<'t>(text: &'t Bound<'_, PyString>) -> Option<&'t str> {
    if text.code_point_len().ok()? > CHARACTERS_MAX {
        return None;
    }
    text.to_str().ok()
}
