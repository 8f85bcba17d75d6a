//! `postgresql://`: binary COPY, exactly once. One connection, driven on the lane's own thread; the ledger row moves in
//! the same transaction as the data, and is read again whenever the answer to a COMMIT was lost.

mod connect;
mod copy;
mod event_loop;
mod failure;
mod inspect;
mod lane_lock;
mod ledger;
pub mod maintenance;
mod mapped;
mod notify;
mod partitions;
mod prune;
mod retention;
pub mod schema;
mod select;
mod session;
mod sqlstate;
mod tls;
mod transaction;
mod unique;

use super::inspect::InspectPlan;
use super::mapped::Layout;
use super::prune::{AgedTable, PrunePlan};
use super::select::SelectPlan;
use super::{Batch, Limits, Outcome, Route, Sink, SinkFactory, SinkPlan};
use crate::dsn::Dsn;
use crate::dsn::postgres::{Environment, Target, target};
use crate::error::{ConfigError, WriteError};
use crate::record::Record;
use event_loop::EventLoop;
use failure::{Cause, Failure, Phase};
use lane_lock::LaneLock;
use schema::{Names, RecordTable};
use session::{Session, within};
use std::sync::Arc;
use std::time::Duration;

/// What keeps a record from being stored twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dedupe {
    /// The ledger row, moved in the transaction of the data.
    Ledger,
    /// A unique index on the id.
    Id,
    /// Nothing: a COMMIT whose answer was lost is repeated.
    None,
}

/// The options of the sink.
#[derive(Debug)]
struct Options {
    target: Target,
    /// The server without secrets, for messages.
    shown: String,
    names: Names,
    creates_schema: bool,
    dedupe: Dedupe,
    synchronous_commit: Option<&'static str>,
    /// How long rows are kept; for ever unless given.
    keep: Option<Duration>,
    /// Tables that are not telesink's own, if records go there.
    layout: Option<Layout>,
    /// Whether listeners are told of each batch.
    notifies: bool,
}

/// Plans the sink. Options beside libpq's: `schema`, `create_schema`, `dedupe` (`ledger`, `id`, `none`),
/// `synchronous_commit`, `keep`; `preset` or `table_map` for tables of others.
pub(super) fn plan(dsn: &mut Dsn) -> Result<SinkPlan, ConfigError> {
    let options = Arc::new(Options::take_from(dsn)?);
    let target = options.shown.clone();
    let stores_logs = options.layout.as_ref().is_none_or(|layout| !layout.has_runs);
    let factory: SinkFactory =
        Arc::new(move |limits| Box::new(PostgresSink::new(Arc::clone(&options), limits)));
    let plan = SinkPlan::new("postgresql", target, factory);
    Ok(SinkPlan { linger_default: Duration::from_millis(200), stores_logs, ..plan })
}

/// Plans to delete old records from the tables.
pub(super) fn plan_prune(dsn: &mut Dsn) -> Result<PrunePlan, ConfigError> {
    let options = Options::take_from(dsn)?;
    let tables = options.layout.as_ref().map_or_else(|| Ok(AgedTable::own()), AgedTable::of)?;
    let layout = options.layout.clone();
    Ok(PrunePlan::new(options.shown.clone(), layout.as_ref(), tables.clone(), move |limits, retention| {
        prune::open(options, &tables, limits, &retention)
    }))
}

/// Plans to ask the server.
pub(super) fn plan_select(dsn: &mut Dsn) -> Result<SelectPlan, ConfigError> {
    let options = Options::take_from(dsn)?;
    let what = (options.shown.clone(), "postgres", options.names.prefix().to_owned(), options.notifies);
    let layout = options.layout.clone();
    SelectPlan::new(what, layout.as_ref(), move |limits, _| select::open(options, limits))
}

/// Plans to look at the tables.
pub(super) fn plan_inspect(dsn: &mut Dsn) -> Result<InspectPlan, ConfigError> {
    let options = Options::take_from(dsn)?.own_tables()?;
    let target = options.shown.clone();
    Ok(InspectPlan::new(target, move |limits| inspect::open(options, limits)))
}

impl Options {
    fn take_from(dsn: &mut Dsn) -> Result<Self, ConfigError> {
        let dedupe = match dsn.take_choice("dedupe", &["ledger", "id", "none"])? {
            Some("id") => Dedupe::Id,
            Some("none") => Dedupe::None,
            _ => Dedupe::Ledger,
        };
        let names = Names::new(dsn.take_text("schema")?.as_deref())?;
        let creates_schema = dsn.take_bool("create_schema")?.unwrap_or(true);
        let levels = ["on", "off", "local", "remote_write", "remote_apply"];
        let synchronous_commit = dsn.take_choice("synchronous_commit", &levels)?;
        let keep = dsn.take_seconds("keep")?;
        if keep.is_some_and(|keep| keep < KEEP_MIN) {
            return Err(ConfigError::new(
                "option `keep` is less than a day",
                "rows are kept by days: `keep=30 days`",
            ));
        }
        let notifies = dsn.take_bool("notify")?.unwrap_or(false);
        let layout = Layout::take_from(dsn)?;
        if layout.is_some() && (keep.is_some() || dedupe == Dedupe::Id) {
            let name = if keep.is_some() { "keep" } else { "dedupe=id" };
            return Err(ConfigError::new(
                format!("option `{name}` is for telesink's own tables"),
                "remove it, or `preset` and `table_map`",
            ));
        }
        let target = target(dsn, &Environment::of_process())?;
        let shown = target.masked();
        Ok(Self { target, shown, names, creates_schema, dedupe, synchronous_commit, keep, layout, notifies })
    }

    /// Refuses tables of others where only telesink's own can be read.
    fn own_tables(self) -> Result<Self, ConfigError> {
        if self.layout.is_some() {
            return Err(ConfigError::new(
                "telesink's own tables can be looked at, and the dsn names others",
                "remove `preset` and `table_map`; others are looked at with what you read them with",
            ));
        }
        Ok(self)
    }

    /// The limits, with libpq's `connect_timeout` in place of the setting where it is given.
    fn limits(&self, limits: Limits) -> Limits {
        Limits { connect: self.target.connect_timeout.unwrap_or(limits.connect), ..limits }
    }
}

/// Shortest time that rows can be kept: partitions are days.
const KEEP_MIN: Duration = Duration::from_hours(24);

/// SQLSTATE: there is no such table.
const UNDEFINED_TABLE: &str = "42P01";

/// How long a clean good-bye may take.
const CLOSE_MAX: Duration = Duration::from_millis(500);

/// The sink of one lane.
struct PostgresSink {
    options: Arc<Options>,
    limits: Limits,
    /// Made by the first write: a plan must not touch the outside world.
    event_loop: Option<EventLoop>,
    session: Option<Session>,
    /// Most records sent in one transaction; falls while the way to the server is too slow for a whole batch.
    records_max: usize,
    /// When to look after partitions and old rows again, nanoseconds since the Unix epoch.
    maintenance_at: u64,
    /// Tables that this sink writes to.
    written: Vec<RecordTable>,
    /// Whether a transaction of this lane may be left on the server, which nobody will end.
    may_be_held: bool,
}

impl PostgresSink {
    fn new(options: Arc<Options>, limits: Limits) -> Self {
        let limits = options.limits(limits);
        Self {
            options,
            limits,
            event_loop: None,
            session: None,
            records_max: usize::MAX,
            maintenance_at: 0,
            written: Vec::new(),
            may_be_held: false,
        }
    }

    fn write_batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, Failure> {
        self.forget_if_closed();
        let event_loop = match self.event_loop.take() {
            Some(event_loop) => event_loop,
            None => EventLoop::new()?,
        };
        let result = event_loop.run(self.write_now(batch));
        self.event_loop = Some(event_loop);
        result
    }

    /// Forgets the connection if the program has closed its descriptors: their numbers may be somebody else's now.
    fn forget_if_closed(&mut self) {
        if self.event_loop.as_ref().is_some_and(|event_loop| !event_loop.is_intact()) {
            // To drop it would wake the event loop, by a write to one of them.
            std::mem::forget(self.session.take());
            self.event_loop = None;
        }
    }

    async fn write_now(&mut self, batch: &Batch<'_>) -> Result<Outcome, Failure> {
        let was_open = self.session.is_some();
        match self.attempt(batch).await {
            // The server, or something on the way, has closed an idle connection. Nothing of the batch was sent.
            // Or the tables were dropped, and a new session may make them.
            Err(failure)
                if was_open
                    && matches!(failure.phase, Phase::Schema | Phase::Guard)
                    && (failure.is_end_of_connection() || self.can_mend(&failure)) =>
            {
                self.attempt(batch).await
            }
            answer => answer,
        }
    }

    fn can_mend(&self, failure: &Failure) -> bool {
        let is_missing = matches!(&failure.cause, Cause::Answer(answer) if answer.code == UNDEFINED_TABLE);
        is_missing && self.options.creates_schema
    }

    /// A connection, and what there is to tell about the tables.
    async fn ready(&mut self, batch: &Batch<'_>) -> Result<(Session, Option<String>), Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.options, self.limits, batch).await?,
        };
        if !self.options.creates_schema || batch.now_unix_nano < self.maintenance_at {
            return Ok((session, None));
        }
        // Before the batch, so that its rows find their partition; rarely, or the batch would wait for it.
        let done = session.maintain(&self.options, self.limits, batch, &self.written).await;
        self.maintenance_at = done.again_at;
        let session = match done.session {
            Some(session) => session,
            None => Session::open(&self.options, self.limits, batch).await?,
        };
        Ok((session, done.notice))
    }

    async fn attempt(&mut self, batch: &Batch<'_>) -> Result<Outcome, Failure> {
        if self.options.layout.is_some() {
            return self.attempt_mapped(batch).await;
        }
        let tables = transaction::tables_of(batch.entries);
        if tables.iter().any(|table| !self.written.contains(table)) {
            // Its rows want partitions.
            self.written = RecordTable::ALL
                .into_iter()
                .filter(|table| tables.contains(table) || self.written.contains(table))
                .collect();
            self.maintenance_at = 0;
        }
        let (mut session, notice) = self.ready(batch).await?;
        if self.may_be_held {
            let ending = LaneLock::of(batch).end_holder(session.client());
            within(self.limits.write, Phase::Guard, ending).await?;
            self.may_be_held = false;
        }
        let sent = batch.entries.len().min(self.records_max);
        let answer = match session.learn(&self.options, self.limits, batch, &tables).await {
            Ok(()) => {
                transaction::store(&mut session, &self.options, self.limits, batch, (sent, &tables)).await
            }
            Err(failure) => Err(failure),
        };
        self.judge(session, answer, batch.entries.len(), sent, notice).await
    }

    /// An attempt where records go to tables of others.
    async fn attempt_mapped(&mut self, batch: &Batch<'_>) -> Result<Outcome, Failure> {
        let (session, notice) = self.ready(batch).await?;
        if self.may_be_held {
            let ending = LaneLock::of(batch).end_holder(session.client());
            within(self.limits.write, Phase::Guard, ending).await?;
            self.may_be_held = false;
        }
        let sent = batch.entries.len().min(self.records_max);
        let answer = match (&session.mapped, &self.options.layout) {
            (Some(tables), Some(layout)) => {
                let to = (&*self.options, layout);
                mapped::store(session.client(), tables, to, self.limits, batch, sent).await
            }
            _ => Ok(Outcome::default()),
        };
        self.judge(session, answer, batch.entries.len(), sent, notice).await
    }

    /// Keeps the connection if it can be used again.
    async fn judge(
        &mut self,
        session: Session,
        answer: Result<Outcome, Failure>,
        count: usize,
        sent: usize,
        notice: Option<String>,
    ) -> Result<Outcome, Failure> {
        match answer {
            Ok(mut outcome) => {
                outcome.unsent = count - sent;
                self.records_max = self.records_max.saturating_mul(2);
                outcome.notice = notice;
                if !session.is_closed() {
                    self.session = Some(session);
                }
                Ok(outcome)
            }
            Err(failure) => {
                if is_too_slow(&failure) {
                    self.records_max = (sent / 4).max(1);
                }
                self.may_be_held |= lane_lock::may_be_held(&failure);
                if failure.spares_connection() && session.roll_back(self.limits).await {
                    self.session = Some(session);
                }
                Err(failure)
            }
        }
    }
}

/// Whether the batch is more than the way to the server carries within the limit.
fn is_too_slow(failure: &Failure) -> bool {
    failure.phase == Phase::Copy
        && match &failure.cause {
            Cause::Timeout(_) => true,
            // The server's own limit for a statement.
            Cause::Answer(answer) => answer.code == "57014",
            _ => false,
        }
}

impl Sink for PostgresSink {
    fn route(&self, record: &Record) -> Option<Route> {
        let takes = self.options.layout.as_ref().is_none_or(|layout| layout.takes(record));
        takes.then_some(Route::All)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        if batch.entries.is_empty() {
            return Ok(Outcome::default());
        }
        let answer = self.write_batch(batch);
        answer.map_err(|failure| failure.judge(&self.options.shown))
    }

    fn close(&mut self) -> Result<(), WriteError> {
        self.forget_if_closed();
        if let (Some(event_loop), Some(session)) = (&self.event_loop, self.session.take()) {
            let closing = async {
                session.close(CLOSE_MAX).await;
                Ok(())
            };
            // It closes the socket in any case.
            drop(event_loop.run(closing));
        }
        Ok(())
    }
}

impl Drop for PostgresSink {
    fn drop(&mut self) {
        self.forget_if_closed();
        // Before the event loop, which it belongs to.
        self.session = None;
    }
}
