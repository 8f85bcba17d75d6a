//! A DSN of any shape, with its options: no panic, and a password stays hidden whatever follows it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use telesink_core::dsn::Dsn;
use telesink_core::sinks;

/// Stands where a password stands.
const CANARY: &str = "c4naryPassw0rd";

/// What comes before the made-up rest, each with a password in it.
const BEGINNINGS: [&str; 6] = [
    "postgresql://app:c4naryPassw0rd@",
    "postgres://app:c4naryPassw0rd@db/app?",
    "postgresql://db/app?password=c4naryPassw0rd&",
    "host=db password=c4naryPassw0rd ",
    "clickhouse://app:c4naryPassw0rd@",
    "sqlite:///app.db?password=c4naryPassw0rd&",
];

fn all_that_is_shown(text: &str, options: &[(String, String)]) -> String {
    match Dsn::parse(text, options, Path::new("/srv/app")) {
        Err(error) => format!("{error}\n{error:?}"),
        Ok(mut dsn) => {
            let mut shown = format!("{dsn}\n{dsn:?}\n{:?}\n", dsn.identity());
            match sinks::plan(&mut dsn) {
                Ok(plan) => {
                    shown.push_str(&format!("{}\n{plan:?}\n", plan.target));
                    if let Err(error) = dsn.finish() {
                        shown.push_str(&format!("{error}\n{error:?}"));
                    }
                }
                Err(error) => shown.push_str(&format!("{error}\n{error:?}")),
            }
            shown
        }
    }
}

fuzz_target!(|input: &str| {
    if input.contains(CANARY) {
        return; // Who looks for coverage learns the word, and puts it where it may be shown.
    }
    let (text, option) = input.split_once('\0').unwrap_or((input, ""));
    let options: Vec<(String, String)> =
        option.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    all_that_is_shown(text, &options);
    for beginning in BEGINNINGS {
        let shown = all_that_is_shown(&format!("{beginning}{text}"), &options);
        assert!(!shown.contains(CANARY), "{beginning}{text:?} shows: {shown}");
    }
});
