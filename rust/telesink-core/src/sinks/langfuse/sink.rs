//! The sink: which form a server takes, and what its answers mean.

use super::classic::ClassicBatch;
use super::event::{Event, Subject};
use super::paths::{Path, STATUSES, is_missing};
use super::plan::{Mode, Target};
use super::reply::{self, ClassicReply, UNREADABLE_CHARACTERS_MAX};
use super::{request, scores};
use crate::error::{WriteError, WriteErrorKind};
use crate::http::{Client, Reply, Request, gzip};
use crate::record::event::Role;
use crate::record::view::LogView;
use crate::record::{Record, Signal};
use crate::sinks::{Batch, Limits, Outcome, Refusal, Route, Sink};
use std::sync::Arc;

/// Most bytes kept between two requests: one of the usual size.
const KEPT_BYTES_MAX: usize = 10 << 20;

/// The code of a record of a kind that the server does not take in this form.
const UNROUTED: &str = "unrouted";

/// How events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Spans,
    Classic,
}

/// One server.
pub(super) struct LangfuseSink {
    target: Arc<Target>,
    client: Client,
    /// The bytes of the last request, kept for their room.
    body: Vec<u8>,
    form: Form,
    /// Whether the server has taken something in this form.
    is_known: bool,
    /// The forms that the server was found not to take, by [`Form`].
    lacks: [bool; 2],
    takes_no_lists: bool,
}

impl LangfuseSink {
    pub(super) fn new(target: Arc<Target>, limits: Limits) -> Self {
        let client = Client::new(target.transport.clone(), limits.connect, limits.write);
        let form = if target.mode == Mode::Legacy { Form::Classic } else { Form::Spans };
        Self {
            target,
            client,
            body: Vec::new(),
            form,
            is_known: false,
            lacks: [false; 2],
            takes_no_lists: false,
        }
    }

    /// Which server this is, whether it takes the keys, and in what form it takes events.
    ///
    /// # Errors
    /// It does not answer, does not take the keys, or takes no form that the mode allows.
    pub(super) fn check(&mut self) -> Result<String, WriteError> {
        self.find_out()?;
        let form = match self.form {
            Form::Spans => "takes spans (OTLP)",
            Form::Classic => "takes classic batches",
        };
        Ok(format!("{} {form}; mode {}, the keys are accepted", self.target.shown(), self.target.mode.name()))
    }

    /// Asks the server for its form, unless it is known.
    fn find_out(&mut self) -> Result<(), WriteError> {
        while !self.is_known {
            let asked = match self.form {
                Form::Spans => self.post(false, Path::Spans, "application/json", b"{\"resourceSpans\":[]}"),
                Form::Classic => self.post(false, Path::Classic, "application/json", b"{\"batch\":[]}"),
            }?;
            if is_missing(&asked) {
                self.turn_from(&asked)?;
            } else {
                self.judge(&asked)?;
                self.is_known = true;
            }
        }
        Ok(())
    }

    /// The same before records are written that no probe can say anything about: one that is refused has found the path.
    fn find_form(&mut self) -> Result<(), WriteError> {
        match self.find_out() {
            Err(error) if error.kind == WriteErrorKind::Reject => Ok(()),
            answer => answer,
        }
    }

    /// Spans, and classic events that stand for them.
    fn write_events(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        // Each form at most once: a server that takes neither answers with a hold.
        loop {
            match self.form {
                Form::Spans => match self.write_spans(batch)? {
                    Ok(outcome) => return Ok(outcome),
                    Err(missing) => self.turn_from(&missing)?,
                },
                Form::Classic => match self.write_classic(batch)? {
                    Ok(reply) if reply.not_accepted.is_empty() => return Ok(reply.outcome),
                    Ok(reply) if reply.not_accepted.len() < batch.entries.len() => return self.part(reply),
                    Ok(_) => self.turn_to_spans()?,
                    Err(missing) => self.turn_from(&missing)?,
                },
            }
        }
    }

    fn write_spans(&mut self, batch: &Batch<'_>) -> Result<Result<Outcome, Reply>, WriteError> {
        let mut body = std::mem::take(&mut self.body);
        let count = request::encode(batch, &self.target.defaults, self.target.request_bytes_max, &mut body);
        let answer = self.post(true, Path::Spans, "application/x-protobuf", &body);
        if body.capacity() <= KEPT_BYTES_MAX {
            self.body = body;
        }
        let answer = answer?;
        if is_missing(&answer) {
            return Ok(Err(answer));
        }
        self.judge(&answer)?;
        let (rejected, why) = self.readable(&answer, reply::spans(&answer.body))?;
        self.is_known = true;
        Ok(Ok(Outcome {
            unsent: batch.entries.len() - count,
            rejected_by_server: rejected.min(count),
            notice: self.notice(rejected, why),
            ..Outcome::default()
        }))
    }

    fn write_classic(&mut self, batch: &Batch<'_>) -> Result<Result<ClassicReply, Reply>, WriteError> {
        let mut classic = ClassicBatch::new();
        let mut count = 0;
        let mut strangers = Vec::new();
        for (index, entry) in batch.entries.iter().enumerate() {
            match Event::of_entry(entry) {
                Some(event) if !classic.add(index, &event, &self.target.defaults) => break,
                Some(_) => {}
                // A span of another instrumentation: the classic form has no place for it.
                None => strangers.push(unrouted(index, "spans of other instrumentations")),
            }
            count += 1;
        }
        let (body, items) = classic.finish();
        let mut read = ClassicReply::default();
        if !items.is_empty() {
            let answer = self.post(true, Path::Classic, "application/json", &body)?;
            if is_missing(&answer) {
                return Ok(Err(answer));
            }
            self.judge(&answer)?;
            read = self.readable(&answer, reply::classic(&answer.body, &items, count))?;
            let outcome = &mut read.outcome;
            for said in outcome.refused.iter_mut().map(|refusal| &mut refusal.text).chain(&mut outcome.notice)
            {
                *said = self.target.without_secret(std::mem::take(said));
            }
            self.is_known = read.not_accepted.is_empty();
        }
        read.outcome.refused.extend(strangers);
        read.outcome.unsent = batch.entries.len() - count;
        Ok(Ok(read))
    }

    /// Some were taken, and others are of types that are not: these are offered again, as spans where that is allowed.
    fn part(&mut self, reply: ClassicReply) -> Result<Outcome, WriteError> {
        let mut outcome = reply.outcome;
        if self.target.mode == Mode::Auto && !self.lacks[Form::Spans as usize] {
            self.turn_to_spans()?;
        }
        outcome.retry.extend(reply.not_accepted);
        outcome.retry.sort_unstable();
        Ok(outcome)
    }

    /// The classic form is not accepted here any more.
    fn turn_to_spans(&mut self) -> Result<(), WriteError> {
        self.lacks[Form::Classic as usize] = true;
        if self.target.mode == Mode::Legacy {
            return Err(WriteError::hold(
                format!("{} does not accept classic events any more", self.target.shown()),
                "use mode=auto or mode=otlp",
            ));
        }
        if self.lacks[Form::Spans as usize] {
            return Err(self.neither());
        }
        (self.form, self.is_known) = (Form::Spans, false);
        Ok(())
    }

    /// The path of the form in use is missing.
    fn turn_from(&mut self, missing: &Reply) -> Result<(), WriteError> {
        let other = match self.form {
            Form::Spans => Form::Classic,
            Form::Classic => Form::Spans,
        };
        // A server that has taken spans will again: what answers is a proxy, or a server that is being replaced.
        let has_taken_spans = self.form == Form::Spans && self.is_known;
        if self.target.mode != Mode::Auto || has_taken_spans {
            return self.judge(missing);
        }
        self.lacks[self.form as usize] = true;
        if self.lacks == [true; 2] {
            return Err(self.neither());
        }
        (self.form, self.is_known) = (other, false);
        Ok(())
    }

    /// Nothing is lost: held until the server is mended, and then asked from the beginning.
    fn neither(&mut self) -> WriteError {
        (self.form, self.is_known) = (Form::Spans, false);
        self.lacks = [false; 2];
        WriteError::hold(
            format!("{} takes neither spans (OTLP) nor classic batches", self.target.shown()),
            "check host and path, and that a Langfuse server of version 3 or later answers there",
        )
    }

    fn write_sdk_logs(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        self.find_form()?;
        if self.form == Form::Classic
            && let Ok(reply) = self.write_classic(batch)?
        {
            let mut outcome = reply.outcome;
            let unaccepted = reply.not_accepted.iter().map(|index| unrouted(*index, "sdk-log events"));
            outcome.refused.extend(unaccepted);
            return Ok(outcome);
        }
        let refused = (0..batch.entries.len()).map(|index| unrouted(index, "sdk-log events")).collect();
        Ok(Outcome { refused, ..Outcome::default() })
    }

    /// Scores. Their traces are named as this server knows them, so its form has to be known first.
    fn write_scores(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        self.find_form()?;
        let is_mapped = self.form == Form::Spans;
        let defaults = &self.target.defaults;
        let events = batch.entries.iter().filter_map(Event::of_entry);
        if self.takes_no_lists || batch.entries.len() == 1 {
            let mut body = Vec::new();
            events.take(1).for_each(|event| scores::put_score(&mut body, &event, defaults, is_mapped));
            let answer = self.post(true, Path::Scores, "application/json", &body)?;
            let unsent = batch.entries.len() - 1;
            let refused = match self.judge(&answer) {
                Err(error) if error.kind == WriteErrorKind::Reject => {
                    // The list may have been refused for this one alone.
                    self.takes_no_lists = false;
                    vec![Refusal { index: 0, code: error.code, text: error.message }]
                }
                judged => judged.map(|()| Vec::new())?,
            };
            return Ok(Outcome { refused, unsent, ..Outcome::default() });
        }
        let (body, count) = scores::list(events, defaults, is_mapped);
        let answer = self.post(true, Path::Scores, "application/json", &body)?;
        if answer.status == 400 {
            // This server knows no lists, or one score is wrong: one by one, and that one stands alone.
            self.takes_no_lists = true;
            return self.write_scores(batch);
        }
        self.judge(&answer)?;
        // Part of them may be stored, and there are no ids to tell which: not sent again.
        let (rejected, why) = self.readable(&answer, reply::scores(&answer.body))?;
        Ok(Outcome {
            unsent: batch.entries.len() - count,
            rejected_by_server: rejected.min(count),
            notice: self.notice(rejected, why),
            ..Outcome::default()
        })
    }

    fn judge(&self, answer: &Reply) -> Result<(), WriteError> {
        let said = self.target.without_secret(answer.text_of(reply::DETAIL_CHARACTERS_MAX));
        let lower = said.to_lowercase();
        if answer.status == 400
            && (lower.contains("ingestion-version") || lower.contains("ingestion version"))
        {
            return Err(WriteError::hold(
                format!("{} does not know this version of ingestion: {said}", self.target.shown()),
                "update the server, or telesink",
            ));
        }
        STATUSES.judge(answer, &said).map_err(|error| match answer.status {
            status @ (401 | 403) => error.about(format!("http_{status}"), ""),
            _ => error,
        })
    }

    fn notice(&self, rejected: usize, why: String) -> Option<String> {
        let why = self.target.without_secret(why);
        (rejected > 0).then(|| format!("the server rejected {rejected} records: {why}"))
    }

    /// What was read of an answer, or an error that keeps the beginning of what could not be. Sent again: ids make that
    /// harmless, and whatever answered may not be a Langfuse server.
    fn readable<T>(&self, answer: &Reply, read: Option<T>) -> Result<T, WriteError> {
        read.filter(|_| answer.is_whole).ok_or_else(|| {
            let said = self.target.without_secret(answer.text_of(UNREADABLE_CHARACTERS_MAX));
            let target = &answer.target;
            WriteError::retry(format!("{target} gave an answer that cannot be read: {said}")).unresolved()
        })
    }

    fn post(
        &mut self,
        may_compress: bool,
        path: Path,
        content_type: &'static str,
        body: &[u8],
    ) -> Result<Reply, WriteError> {
        let target = &self.target;
        let is_gzip = may_compress && target.is_gzip;
        let compressed = is_gzip.then(|| {
            let mut out = Vec::new();
            gzip(body, &mut out);
            out
        });
        let request = Request {
            endpoint: path.endpoint(target),
            content_type,
            headers: &target.headers,
            body: Some(compressed.as_deref().unwrap_or(body)),
            is_gzip,
        };
        self.client.send(&request)
    }
}

impl Sink for LangfuseSink {
    fn route(&self, record: &Record) -> Option<Route> {
        let header = record.header();
        match header.signal {
            Signal::Span => return Some(Route::Traces),
            Signal::Metric => return None,
            Signal::Log => {}
        }
        let role = Subject::of(&LogView::new(record, &[]))?.kind.role;
        match (role, self.target.mode) {
            (Role::SdkLog, Mode::Otlp) => None,
            (_, Mode::Legacy) => Some(Route::Traces),
            (Role::SdkLog, Mode::Auto) => Some(Route::Logs),
            (Role::Score, _) => Some(Route::Scores),
            _ => Some(Route::Traces),
        }
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, WriteError> {
        match batch.route {
            Route::Scores => self.write_scores(batch),
            Route::Logs => self.write_sdk_logs(batch),
            _ => self.write_events(batch),
        }
    }
}

fn unrouted(index: usize, what: &str) -> Refusal {
    Refusal {
        index,
        code: UNROUTED.to_owned(),
        text: format!("{what} have no place in the form that the server takes"),
    }
}
