//! Events about runs, steps and calls of models: which mappings are events, and what is wrong with one.

use super::mapping::{Snapshot, as_dict, present, shown};
use super::text;
use crate::edge::edge;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};
use telesink_core::record::id::parse_uuid;
use telesink_core::record::level;

/// INFO.
const LEVEL_DEFAULT: i32 = 20;

/// A mapping with a `type` and without a `body`.
pub(super) struct Event {
    name: String,
}

/// The kinds of events whose form is fixed.
const RUN: [&str; 2] = ["run:start", "run:update"];
const STEP: [&str; 4] = ["step:start", "step:end", "step:error", "step:state"];

/// Ids of an event: written first, and as text.
const IDS: [&str; 3] = ["id", "run_id", "step_id"];

/// Fields that may be long: written last, so that a record that is cut keeps all others.
const LONG: [&str; 9] =
    ["info", "meta", "data", "input", "output", "request", "response", "chat_request", "chat_response"];

/// Fields that only the event itself can have: a context may bind the same names and mean something else.
const OWN: [&str; 13] = [
    "id",
    "type",
    "name",
    "description",
    "status",
    "tags",
    "error",
    "time",
    "model",
    "provider",
    "retries",
    "parent_step",
    "response_meta",
];

type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

pub(super) fn is_id(name: &str) -> bool {
    IDS.contains(&name)
}

pub(super) fn is_long(name: &str) -> bool {
    LONG.contains(&name)
}

pub(super) fn is_own_field(name: &str) -> bool {
    OWN.contains(&name) || is_long(name)
}

/// The pairs of an event in the order in which they are written: ids, then what is short, then the attributes that stand
/// in a mapping of their own and are no field of the event, then what may be long.
pub(super) fn in_order<'py>(
    own: impl Iterator<Item = Pair<'py>>,
    nested: impl Iterator<Item = Pair<'py>>,
) -> PyResult<Vec<Pair<'py>>> {
    let (mut ids, mut short, mut long) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in own {
        let name = name_of(&key);
        if is_id(&name) {
            ids.push((key, value));
        } else if is_long(&name) {
            let value = if name == "data" { long_last(&value)? } else { value };
            long.push((LONG.iter().position(|known| *known == name), key, value));
        } else {
            short.push((key, value));
        }
    }
    long.sort_by_key(|(place, ..)| *place);
    let nested = nested.filter(|(key, _)| {
        let name = name_of(key);
        !is_id(&name) && !is_own_field(&name)
    });
    ids.extend(short);
    ids.extend(nested);
    ids.extend(long.into_iter().map(|(_, key, value)| (key, value)));
    Ok(ids)
}

/// The data of a step with its long members last; anything but a dict as it is.
fn long_last<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let Ok(data) = value.cast_exact::<PyDict>() else { return Ok(value.clone()) };
    let is_moved = |name: &str| matches!(name, "input" | "output");
    if !data.iter().any(|(key, _)| is_moved(&name_of(&key))) {
        return Ok(value.clone());
    }
    let copy = PyDict::new(value.py());
    for wanted in [false, true] {
        for (key, inner) in data.iter() {
            if is_moved(&name_of(&key)) == wanted {
                copy.set_item(key, inner)?;
            }
        }
    }
    Ok(copy.into_any())
}

fn name_of(key: &Bound<'_, PyAny>) -> String {
    key.cast::<PyString>().map_or_else(|_| String::new(), |key| key.to_string_lossy().into_owned())
}

impl Event {
    /// Reads the type of an event; none if the mapping is a log record.
    pub(super) fn of(dict: &Bound<'_, PyDict>) -> PyResult<Option<Self>> {
        if present(dict, "body")?.is_some() {
            return Ok(None);
        }
        let Some(name) = present(dict, "type")? else { return Ok(None) };
        let Ok(name) = name.cast::<PyString>() else { return Ok(None) };
        Ok(Some(Self { name: name.to_string_lossy().into_owned() }))
    }

    /// The level of an event that names none.
    pub(super) fn level(&self) -> i32 {
        if self.name == "step:error" { level::ERROR } else { LEVEL_DEFAULT }
    }

    /// Refuses an event that could change nothing.
    pub(super) fn check(&self, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let problems = self.problems(dict)?;
        if problems.is_empty() {
            return Ok(());
        }
        Err(PyValueError::new_err(format!("the event `{}` is malformed: {}", self.name, problems.join("; "))))
    }

    fn problems(&self, dict: &Bound<'_, PyDict>) -> PyResult<Vec<String>> {
        let mut found = Vec::new();
        let name = self.name.as_str();
        if RUN.contains(&name) {
            uuid(&mut found, dict, "", "id", Need::Required)?;
            if name == "run:start" {
                text(&mut found, dict, "", "name")?;
            }
            forms(&mut found, dict, "")?;
        } else if STEP.contains(&name) {
            uuid(&mut found, dict, "", "step_id", Need::Required)?;
            uuid(&mut found, dict, "", "run_id", Need::Required)?;
            match present(dict, "data")? {
                None => found.push("data: is missing, expected a mapping".to_owned()),
                Some(value) => match as_dict(&value) {
                    Ok(Snapshot { dict: data, .. }) => step_data(&mut found, name, &data)?,
                    Err(_) => {
                        found.push(format!("data: is a {}, expected a mapping", text::type_name(&value)));
                    }
                },
            }
        }
        Ok(found)
    }
}

fn step_data(found: &mut Vec<String>, name: &str, data: &Bound<'_, PyDict>) -> PyResult<()> {
    match name {
        "step:start" => {
            text(found, data, "data.", "type")?;
            uuid(found, data, "data.", "parent_step", Need::Optional)?;
        }
        "step:end" if !data.contains("output")? => {
            found.push("data.output: is missing (it may be None)".to_owned());
        }
        "step:error" if present(data, "error")?.is_none() => {
            found.push("data.error: is missing".to_owned());
        }
        "step:state" => text(found, data, "data.", "state")?,
        _ => {}
    }
    forms(found, data, "data.")
}

/// Whether something has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

fn uuid(
    found: &mut Vec<String>,
    dict: &Bound<'_, PyDict>,
    path: &str,
    name: &str,
    need: Need,
) -> PyResult<()> {
    match present(dict, name)? {
        None if need == Need::Required => found.push(format!("{path}{name}: is missing, expected a UUID")),
        None => {}
        Some(value) => {
            let text = value.str().ok();
            let is_uuid = text.is_some_and(|text| text.to_str().is_ok_and(|text| parse_uuid(text).is_some()));
            if !is_uuid {
                found.push(format!(
                    "{path}{name}: is {}, expected a UUID such as 0197a6d2-9c5a-7c40-8a3e-2f6d1b0c4e77",
                    shown(&value)
                ));
            }
        }
    }
    Ok(())
}

fn text(found: &mut Vec<String>, dict: &Bound<'_, PyDict>, path: &str, name: &str) -> PyResult<()> {
    match present(dict, name)? {
        None => found.push(format!("{path}{name}: is missing, expected text")),
        Some(value) if !value.is_instance_of::<PyString>() => {
            found.push(format!("{path}{name}: is a {}, expected text", text::type_name(&value)));
        }
        Some(_) => {}
    }
    Ok(())
}

/// The forms of `info` and `tags`.
fn forms(found: &mut Vec<String>, dict: &Bound<'_, PyDict>, path: &str) -> PyResult<()> {
    if let Some(info) = present(dict, "info")?
        && info.cast::<PyMapping>().is_err()
    {
        found.push(format!("{path}info: is a {}, expected a mapping", text::type_name(&info)));
    }
    if let Some(tags) = present(dict, "tags")?
        && !tags.is_instance_of::<PyList>()
        && !tags.is_instance_of::<PyTuple>()
    {
        found.push(format!("{path}tags: is a {}, expected a list", text::type_name(&tags)));
    }
    Ok(())
}

/// What is wrong with an event, each fault with its path; empty if `enqueue` takes it.
#[pyfunction]
pub(crate) fn event_problems(event: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    edge("event_problems", || {
        let Snapshot { dict, .. } = as_dict(event)?;
        match Event::of(&dict)? {
            Some(event) => event.problems(&dict),
            None => Ok(vec!["type: is missing, expected the name of an event such as run:start".to_owned()]),
        }
    })
}
