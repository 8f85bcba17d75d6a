//! What settings accept and refuse.

use super::*;
use std::path::Path;

const SOURCE: &str = "the environment variable X";

fn applied(name: &str, value: &str) -> Result<Settings, ConfigError> {
    let mut settings = Settings::documented();
    let is_known = settings.apply(name, value, SOURCE)?;
    assert!(is_known, "{name}");
    Ok(settings)
}

fn dsn(text: &str) -> Dsn {
    Dsn::parse(text, &[], Path::new("/srv/app")).unwrap()
}

#[test]
fn every_listed_name_is_a_setting_and_other_names_are_not() {
    let mut settings = Settings::documented();

    for name in Settings::NAMES {
        let value = match *name {
            "when_full" => "block",
            "urgent_level" => "WARNING",
            _ => "7",
        };
        assert_eq!(Ok(true), settings.apply(name, value, SOURCE), "{name}");
    }

    let seven = Duration::from_secs(7);
    let expected = Settings {
        queue_records_max: 7,
        queue_bytes_max: 7,
        record_bytes_max: 7,
        batch_records_max: 7,
        batch_bytes_max: 7,
        linger: Some(seven),
        urgent_level: 30,
        when_full: WhenFull::Block,
        block_timeout: seven,
        retry_initial: seven,
        retry_max: seven,
        max_age: Some(seven),
        connect_timeout: seven,
        write_timeout: seven,
        exit_timeout: seven,
        dead_letter: Some(PathBuf::from("7")),
        dead_letter_bytes_max: 7,
    };
    assert_eq!(expected, settings);
    for name in ["", "linger", "LINGER_SECONDS", "spool", "redact"] {
        assert_eq!(Ok(false), settings.apply(name, "7", SOURCE), "{name}");
    }
}

#[test]
fn sizes_and_durations_take_words() {
    assert_eq!(16 << 20, applied("queue_bytes_max", " 16 MiB ").unwrap().queue_bytes_max);
    assert_eq!(5_000_000, applied("batch_bytes_max", "5MB").unwrap().batch_bytes_max);
    assert_eq!(65_536, applied("queue_records_max", "65_536").unwrap().queue_records_max);
    assert_eq!(Duration::from_millis(200), applied("retry_initial_seconds", "200 ms").unwrap().retry_initial);
    assert_eq!(Duration::from_mins(2), applied("write_timeout_seconds", "2 min").unwrap().write_timeout);
    assert_eq!(WhenFull::DropOldest, applied("when_full", "DROP_OLDEST").unwrap().when_full);
}

#[test]
fn zero_and_negative_values_are_refused_with_name_and_source() {
    let may_be_zero = ["linger_seconds", "block_timeout_seconds", "urgent_level", "dead_letter"];
    for name in Settings::NAMES.iter().filter(|name| !may_be_zero.contains(name)) {
        for value in ["0", "-1", "-0.5"] {
            let error = applied(name, value).unwrap_err();

            let beginning = format!("setting `{name}` is ");
            assert!(error.message.starts_with(&beginning), "{error}");
            assert!(error.message.contains("(from the environment variable X)"), "{error}");
        }
    }
    for name in ["linger_seconds", "block_timeout_seconds", "urgent_level"] {
        assert!(applied(name, "-1").is_err(), "{name}");
    }
}

#[test]
fn errors_say_what_was_found_and_what_is_expected() {
    let table = [
        (
            "queue_records_max",
            "0",
            "is 0 (from the environment variable X); expected a whole number of at least 1",
        ),
        (
            "queue_records_max",
            "1e9",
            "is \"1e9\" (from the environment variable X); expected a whole number of at least 1",
        ),
        ("queue_records_max", "16777217", "expected a whole number of at most 16777216"),
        (
            "record_bytes_max",
            "65 MiB",
            "expected a size such as \"64 MiB\", \"100 MB\" or a whole number of bytes of at most 67108864",
        ),
        ("batch_bytes_max", "12 M", "is \"12 M\""),
        ("batch_records_max", "2000000", "of at most 1048576"),
        ("linger_seconds", "-1", "or a number of seconds, at least 0"),
        ("linger_seconds", "soon", "is \"soon\""),
        ("retry_initial_seconds", "0", "at least 1ms"),
        ("retry_max_seconds", "0.0001", "at least 1ms"),
        ("write_timeout_seconds", "366 days", "at most 365 days"),
        ("connect_timeout_seconds", "", "is \"\""),
        ("connect_timeout_seconds", "none", "is \"none\""),
        ("urgent_level", "eror", "one of NOTSET, TRACE, DEBUG, INFO, WARNING"),
        (
            "when_full",
            "drop_newst",
            "expected `drop_newest`, `drop_oldest` or `block`; did you mean `drop_newest`?",
        ),
        ("when_full", "", "is \"\""),
        ("dead_letter", "letters/", "expected the path of a file"),
    ];

    for (name, value, part) in table {
        let error = applied(name, value).unwrap_err();

        assert!(error.message.contains(part), "{error}");
        assert!(!error.hint.is_empty());
    }
}

#[test]
fn a_refused_value_leaves_the_settings_unchanged() {
    let mut settings = Settings::documented();

    for name in Settings::NAMES {
        let value = if *name == "dead_letter" { "x/" } else { "-1" };
        assert!(settings.apply(name, value, SOURCE).is_err(), "{name}");
    }

    assert_eq!(Settings::documented(), settings);
}

#[test]
fn optional_settings_can_be_unset() {
    for value in ["", "none", "None", " NONE "] {
        let mut settings = Settings::documented();
        for name in ["linger_seconds", "max_age_seconds", "dead_letter"] {
            settings.apply(name, "5", SOURCE).unwrap();
            settings.apply(name, value, SOURCE).unwrap();
        }

        assert_eq!(Settings::documented(), settings, "{value:?}");
    }
}

#[test]
fn settings_in_a_dsn_are_taken_and_the_other_options_stay() {
    let mut dsn =
        dsn("sqlite:///x.db?linger_seconds=0&table=logs&queue_bytes_max=2%20MiB&dead_letter=refused.db");
    let mut settings = Settings::documented();

    settings.take_from(&mut dsn).unwrap();

    assert_eq!(Some(Duration::ZERO), settings.linger);
    assert_eq!(2 << 20, settings.queue_bytes_max);
    assert_eq!(Some(PathBuf::from("/srv/app/refused.db")), settings.dead_letter);
    assert_eq!(Some("logs".to_owned()), dsn.take_text("table").unwrap());
    assert_eq!(Ok(()), dsn.finish());
}

#[test]
fn a_misspelt_setting_in_a_dsn_is_refused_with_the_right_name() {
    let mut dsn = dsn("sqlite:///x.db?lingr_seconds=1");
    Settings::documented().take_from(&mut dsn).unwrap();

    let error = dsn.finish().unwrap_err();

    assert_eq!("unknown option `lingr_seconds` for sqlite://; did you mean `linger_seconds`?", error.message);
    for name in Settings::NAMES {
        assert!(error.hint.contains(name), "{name}");
    }
}

#[test]
fn a_wrong_setting_in_a_dsn_is_refused_with_its_place() {
    let mut dsn = dsn("null://?queue_records_max=many");

    let error = Settings::documented().take_from(&mut dsn).unwrap_err();

    let expected =
        "setting `queue_records_max` is \"many\" (from the dsn); expected a whole number of at least 1";
    assert_eq!(expected, error.message);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let good = Settings::documented();
    let large_record = Settings { record_bytes_max: good.queue_bytes_max + 1, ..good.clone() };
    let long_first_wait = Settings { retry_initial: good.retry_max * 2, ..good.clone() };

    assert_eq!(Ok(()), good.check());
    assert!(large_record.check().unwrap_err().message.contains("`queue_bytes_max` is 67108864"));
    assert!(long_first_wait.check().unwrap_err().message.contains("`retry_initial_seconds` is 60"));
}

#[test]
fn names_of_when_full_are_read_back() {
    for name in WhenFull::NAMES {
        assert_eq!(Some(name), WhenFull::parse(name).map(WhenFull::name));
    }
    assert_eq!(None, WhenFull::parse("drop"));
}
