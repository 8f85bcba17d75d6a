//! What a DSN and the environment make of the layout.

use super::super::format::Layout;
use super::super::style::{Environment, Style};
use super::super::{Stream, choose_layout, plan, stream_of};
use crate::dsn::Dsn;
use crate::error::ConfigError;
use jiff::tz::TimeZone;
use std::path::Path;

fn chosen(
    format: Option<&str>,
    color: Option<&str>,
    is_terminal: bool,
    variable: Option<(&str, &str)>,
) -> Result<String, ConfigError> {
    let environment = Environment::new(is_terminal, |name| {
        variable.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    });
    Ok(match choose_layout(format, color, &environment, || TimeZone::UTC)? {
        Layout::Pretty { style: Style { has_color: true, .. }, .. } => "pretty, coloured".to_owned(),
        Layout::Pretty { .. } => "pretty".to_owned(),
        Layout::Plain => "plain".to_owned(),
        Layout::Json => "json".to_owned(),
    })
}

#[test]
fn options_win_over_the_environment_and_the_environment_over_the_terminal() {
    let no_color = Some(("NO_COLOR", "1"));
    let force_color = Some(("FORCE_COLOR", "1"));
    let table = [
        (None, None, true, None, "pretty, coloured"),
        (Some("auto"), Some("auto"), true, None, "pretty, coloured"),
        (None, None, false, None, "plain"),
        (None, None, true, no_color, "pretty"),
        (None, None, false, force_color, "pretty, coloured"),
        (None, Some("always"), false, no_color, "pretty, coloured"),
        (None, Some("never"), false, force_color, "plain"),
        (None, Some("never"), true, force_color, "pretty"),
        (Some("pretty"), None, false, None, "pretty"),
        (Some("plain"), None, true, force_color, "plain"),
        (Some("json"), None, true, force_color, "json"),
    ];
    for (format, color, is_terminal, variable, expected) in table {
        let layout = chosen(format, color, is_terminal, variable).expect("allowed");
        assert_eq!(layout, expected, "{format:?} {color:?} {is_terminal} {variable:?}");
    }
}

#[test]
fn colours_for_a_format_without_colours_are_refused() {
    for format in ["plain", "json"] {
        let error = chosen(Some(format), Some("always"), true, None).expect_err("contradiction");
        assert!(error.message.contains("expected `format=pretty`"), "{error}");
    }
}

#[test]
fn standard_error_is_the_default_and_standard_output_can_be_named() {
    let table = [
        ("console://", Stream::Stderr),
        ("console://stderr", Stream::Stderr),
        ("console://stdout", Stream::Stdout),
    ];
    for (text, expected) in table {
        let dsn = Dsn::parse(text, &[], Path::new("/")).expect("a DSN");
        assert_eq!(stream_of(&dsn), expected, "{text}");
    }
}

#[test]
fn a_plan_takes_its_options_and_names_the_nearest_value() {
    let mut good =
        Dsn::parse("console://stdout?format=json&color=never", &[], Path::new("/")).expect("a DSN");
    let mut bad = Dsn::parse("console://?format=prety", &[], Path::new("/")).expect("a DSN");

    let planned = plan(&mut good).expect("a plan");
    let error = plan(&mut bad).expect_err("a typing error");

    assert_eq!((planned.kind, planned.stores_logs), ("console", false));
    assert_eq!(good.finish(), Ok(()));
    assert!(error.message.contains("did you mean `pretty`?"), "{error}");
}
