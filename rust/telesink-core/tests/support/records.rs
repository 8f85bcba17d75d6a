//! Records for tests.

use telesink_core::clock;
use telesink_core::record::encode::RecordBuilder;
use telesink_core::record::id::IdSource;
use telesink_core::record::level::{self, severity_of};
use telesink_core::record::value::Scalar;
use telesink_core::record::{Header, Record, Signal, flag};

/// The logger that pipelines are told of.
pub(crate) const LOGGER: &str = "app";

thread_local! {
    static IDS: IdSource = const { IdSource::new() };
}

/// A record at INFO.
pub(crate) fn info(body: &str) -> Record {
    Draft::new(body).build()
}

/// A record at ERROR, which may use the reserve but is not urgent.
pub(crate) fn error(body: &str) -> Record {
    Draft::new(body).level(level::ERROR).build()
}

/// A record to be.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    body: String,
    levelno: i32,
    flags: u8,
    scope: u32,
    observed_unix_nano: u64,
    attributes: Vec<(String, String)>,
}

impl Draft {
    pub(crate) fn new(body: &str) -> Self {
        Self {
            body: body.to_owned(),
            levelno: 20,
            flags: 0,
            scope: 0,
            observed_unix_nano: clock::unix_nano(),
            attributes: Vec::new(),
        }
    }

    /// As capture does it: ERROR and above may use the reserve.
    pub(crate) fn level(mut self, levelno: i32) -> Self {
        self.levelno = levelno;
        if levelno >= level::ERROR {
            self.flags |= flag::RESERVE;
        }
        self
    }

    pub(crate) fn urgent(mut self) -> Self {
        self.flags |= flag::URGENT;
        self
    }

    pub(crate) fn scope(mut self, scope: u32) -> Self {
        self.scope = scope;
        self
    }

    pub(crate) fn observed(mut self, unix_nano: u64) -> Self {
        self.observed_unix_nano = unix_nano;
        self
    }

    pub(crate) fn attribute(mut self, key: &str, value: &str) -> Self {
        self.attributes.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn build(&self) -> Record {
        let mut builder = RecordBuilder::new();
        builder.start(64 << 20);
        builder.severity(severity_of(self.levelno), level::name_of(self.levelno));
        builder.body(&self.body);
        for (key, value) in &self.attributes {
            builder.attribute(key, Scalar::Str(value));
        }
        builder.finish(self.header(), &[])
    }

    fn header(&self) -> Header {
        Header {
            signal: Signal::Log,
            severity: severity_of(self.levelno),
            flags: self.flags,
            time_unix_nano: self.observed_unix_nano,
            observed_unix_nano: self.observed_unix_nano,
            id: IDS.with(|ids| ids.next_uuid7(self.observed_unix_nano, 0)),
            trace_id: [0; 16],
            span_id: [0; 8],
            resource: 0,
            scope: self.scope,
            levelno: self.levelno,
        }
    }
}
