//! Which words switch it.

use super::{Mode, mode_of};

#[test]
fn s3_26_the_variable_has_words_for_user_dev_and_off() {
    let table = [
        (Mode::User, &["user", "USER", "true", "1"][..]),
        (Mode::Dev, &["dev", "all", "debug"]),
        (Mode::Off, &["off", "false", "0", "none"]),
    ];

    for (mode, words) in table {
        for word in words {
            assert_eq!(mode_of(Some(word)).expect("a word"), mode, "{word}");
        }
    }
    assert_eq!(mode_of(None).expect("the default"), Mode::User);
    assert!(mode_of(Some("sometimes")).expect_err("no word").message.contains("PERFETTO_TRACE_MODE"));
}
