//! Where a record was logged: file, function, line and thread, encoded once per place and thread.
//!
//! A log statement runs many times from the same place, and these five attributes are half of a usual record.

use super::fields::{Fields, field};
use super::text;
use pyo3::types::PyStringMethods;
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::flag;
use telesink_core::record::value::Scalar;

/// Places remembered per thread; a power of two.
const SITES_CACHED: usize = 128;

/// Longest file or function name, in bytes.
const NAME_BYTES_MAX: usize = 1_024;

/// The places that one thread has logged from lately.
pub(crate) struct Sites {
    sites: Vec<Option<Box<Site>>>,
}

struct Site {
    line: Option<i64>,
    thread: Option<i64>,
    path: String,
    function: String,
    thread_name: String,
    encoded: Vec<u8>,
}

impl Sites {
    pub(crate) fn new() -> Self {
        Self { sites: (0..SITES_CACHED).map(|_| None).collect() }
    }

    /// Appends the attributes of the record's place and thread.
    #[inline]
    pub(crate) fn append(&mut self, builder: &mut RecordBuilder, fields: &Fields<'_>) {
        let (line, thread) = (fields.line, fields.thread);
        let path = read(fields, field::PATHNAME);
        let function = read(fields, field::FUNC_NAME);
        let thread_name = read(fields, field::THREAD_NAME);
        let slot = (line.unwrap_or(0) as usize ^ (path.as_ptr() as usize >> 4)) % SITES_CACHED;
        if let Some(site) = &self.sites[slot]
            && site.line == line
            && site.thread == thread
            && site.path == path
            && site.function == function
            && site.thread_name == thread_name
        {
            builder.encoded_attribute(&site.encoded);
            return;
        }
        let start = builder.buffer().len();
        let marks = builder.flags();
        write(builder, fields, line, thread);
        if builder.flags() == marks && marks & (flag::TRUNCATED | flag::SANITISED) == 0 {
            let encoded = builder.buffer()[start..].to_vec();
            let owned = |text: &str| text.to_owned();
            self.sites[slot] = Some(Box::new(Site {
                line,
                thread,
                path: owned(path),
                function: owned(function),
                thread_name: owned(thread_name),
                encoded,
            }));
        }
    }
}

/// A name as it is compared: empty if it is missing or has no UTF-8, and then it is not remembered by its text alone
/// but written anew, because [`write`] marks the record.
#[inline]
fn read<'f>(fields: &'f Fields<'_>, at: usize) -> &'f str {
    fields.text(at).and_then(|text| text.to_str().ok()).unwrap_or("")
}

fn write(builder: &mut RecordBuilder, fields: &Fields<'_>, line: Option<i64>, thread: Option<i64>) {
    let texts = [
        (field::PATHNAME, "code.file.path"),
        (field::FUNC_NAME, "code.function.name"),
        (field::THREAD_NAME, "thread.name"),
    ];
    for (at, key) in texts {
        if let Some(value) = fields.text(at) {
            let value = text::read(value, NAME_BYTES_MAX, builder);
            builder.attribute(key, Scalar::Str(&value));
        }
    }
    for (value, key) in [(line, "code.line.number"), (thread, "thread.id")] {
        if let Some(value) = value {
            builder.attribute(key, Scalar::Int(value));
        }
    }
}
