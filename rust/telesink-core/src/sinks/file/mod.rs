//! `file:///folder`: the files of each service, rotated, compressed and deleted as the options say.
//!
//! | option | values | meaning |
//! |---|---|---|
//! | `format` | `json` `otlp` `logfmt` `glog` | how logs are written; traces and metrics are always lines of OTLP's JSON |
//! | `rotate` | size, duration, both, `never` | when a file ends: `"100 MB"` |
//! | `keep` | files, age, size of the folder, `all` | what stays of rotated files: `"5 files, 7 days"` |
//! | `compress` | `gzip` `none` | what becomes of rotated files |
//! | `fsync` | `never` `interval` `batch` | when lines are made durable |
//! | `service` | a name | of records whose attributes name none; without it their resource does |
//! | `route` | attributes | which of them name the service: `"component,server,server.name"` |
//! | `services` | names | others go to the default service; without it every name has a folder |
//! | `settings` | a path | a file with switches and retention that is followed while the program runs |
//! | `prefix_env` | a variable | whose value stands in front of each line of `glog` |

mod active;
mod appender;
pub(in crate::sinks) mod failure;
mod files;
pub(in crate::sinks) mod folder;
mod glog;
mod keeper;
mod line;
mod look;
mod name;
mod retain;
mod route;
mod rules;
mod services;
mod sink;
mod stamp;
mod switches;
mod text;

pub use appender::Appender;
pub use name::folder_name;

use super::SinkPlan;
use crate::dsn::Dsn;
use crate::error::ConfigError;
use glog::Glog;
use jiff::tz::TimeZone;
use line::Layout;
use route::Keys;
use rules::Rules;
use sink::FileSink;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What the files are called, in the order in which they are listed.
const SIGNALS: [&str; 3] = ["logs", "traces", "metrics"];

/// When lines are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fsync {
    /// When the system likes: a crash of the machine, not of the program, costs what it had not written.
    Never,
    /// Within about a second.
    Interval,
    /// Before a batch counts as delivered.
    Batch,
}

/// What a DSN asks for.
#[derive(Debug, Clone)]
struct Options {
    root: PathBuf,
    target: String,
    rules: Rules,
    layout: Layout,
    fsync: Fsync,
    keys: Keys,
    /// Where records go that name no service.
    service: Option<String>,
    /// Services that have folders; none for all of them.
    services: Option<HashSet<String>>,
    settings: Option<PathBuf>,
}

/// Plans the sink. Touches nothing but the environment.
///
/// # Errors
/// An option whose value cannot be taken, or that belongs to another format.
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let options = Options::take_from(dsn)?;
    let target = options.target.clone();
    Ok(SinkPlan::new("file", target, Arc::new(move |_| Box::new(FileSink::new(options.clone())))))
}

impl Options {
    fn take_from(dsn: &mut Dsn) -> Result<Self, ConfigError> {
        let layout = take_layout(dsn)?;
        let mut rules = Rules::take_from(dsn)?;
        let fsync = match dsn.take_choice("fsync", &["never", "interval", "batch"])? {
            Some("interval") => Fsync::Interval,
            Some("batch") => Fsync::Batch,
            _ => Fsync::Never,
        };
        rules.is_durable = fsync != Fsync::Never;
        let settings = dsn.take_text("settings")?.map(|path| dsn.base_directory().join(path));
        Ok(Self {
            root: dsn.path().to_path_buf(),
            target: dsn.masked(),
            rules,
            layout,
            fsync,
            keys: dsn.take_list("route")?.map_or_else(Keys::default, Keys),
            service: dsn.take_text("service")?,
            services: dsn.take_list("services")?.map(|names| names.into_iter().collect()),
            settings,
        })
    }
}

fn take_layout(dsn: &mut Dsn) -> Result<Layout, ConfigError> {
    let format = dsn.take_choice("format", &["json", "otlp", "logfmt", "glog"])?;
    let variable = dsn.take_text("prefix_env")?;
    match (format, variable) {
        (Some("glog"), variable) => {
            let prefix = variable.and_then(|name| std::env::var(name).ok()).filter(|value| !value.is_empty());
            let prefix = prefix.unwrap_or_else(|| "-".to_owned());
            Ok(Layout::Glog(Glog { prefix, zone: TimeZone::system() }))
        }
        (_, Some(_)) => Err(ConfigError::new(
            "option `prefix_env` belongs to `format=glog`, whose lines alone have a prefix",
            "add format=glog, or leave prefix_env out",
        )),
        (Some("otlp"), None) => Ok(Layout::Otlp),
        (Some("logfmt"), None) => Ok(Layout::Logfmt),
        _ => Ok(Layout::Json),
    }
}
