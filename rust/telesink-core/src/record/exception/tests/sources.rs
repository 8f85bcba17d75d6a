//! Which source lines are shown, and which files are never touched.

use super::super::SourceCache;
use super::Shop;

/// Line `number` of `filename` as the next rendering would show it.
fn line(cache: &mut SourceCache, filename: &str, number: u32) -> Option<String> {
    cache.start_rendering();
    cache.line(filename, number).map(std::borrow::Cow::into_owned)
}

fn write(shop: &Shop, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = shop.path(name);
    std::fs::write(&path, bytes).expect("a written file");
    path
}

#[test]
fn lines_end_where_python_ends_them() {
    let shop = Shop::new();
    let path = write(&shop, "ends.py", "\u{feff}one\r\ntwo\rthree\n\n  \u{a0}five\x1c \nsix");
    let mut cache = SourceCache::new();

    let lines: Vec<_> = (0..=8).map(|number| line(&mut cache, &path, number)).collect();

    let expected =
        [None, Some("one"), Some("two"), Some("three"), None, Some("five"), Some("six"), None, None];
    assert_eq!(expected.map(|line| line.map(str::to_owned)).to_vec(), lines);
}

#[test]
fn text_that_is_not_utf_8_is_shown_as_far_as_it_is() {
    let shop = Shop::new();
    let path = write(&shop, "latin.py", b"name = 'J\xf6rg'\n");

    assert_eq!(Some("name = 'J\u{fffd}rg'".to_owned()), line(&mut SourceCache::new(), &path, 1));
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let shop = Shop::new();
    let path = write(&shop, "long.py", "€".repeat(1_000));

    let line = line(&mut SourceCache::new(), &path, 1).expect("a line");

    assert_eq!(format!("{}…", "€".repeat(341)), line);
}

#[test]
fn a_changed_file_is_read_again_by_the_next_rendering_only() {
    let shop = Shop::new();
    let path = write(&shop, "module.py", "old\n");
    let mut cache = SourceCache::new();
    assert_eq!(Some("old".to_owned()), line(&mut cache, &path, 1));

    write(&shop, "module.py", "newer\n");

    assert_eq!(Some("old"), cache.line(&path, 1).as_deref());
    assert_eq!(Some("newer".to_owned()), line(&mut cache, &path, 1));
}

#[test]
fn a_file_that_appears_is_found_by_the_next_rendering() {
    let shop = Shop::new();
    let path = shop.path("late.py");
    let mut cache = SourceCache::new();
    assert_eq!(None, line(&mut cache, &path, 1));

    write(&shop, "late.py", "here\n");

    assert_eq!(Some("here".to_owned()), line(&mut cache, &path, 1));
}

#[cfg(unix)]
#[test]
fn names_in_angle_brackets_are_never_opened() {
    let folder = tempfile::Builder::new().prefix("<").tempdir_in(".").expect("a temporary folder");
    let name = folder.path().file_name().and_then(|name| name.to_str()).expect("a name");
    for file in ["string>", "string"] {
        std::fs::write(folder.path().join(file), "there\n").expect("a written file");
    }
    let mut cache = SourceCache::new();

    assert_eq!(None, line(&mut cache, &format!("{name}/string>"), 1));
    assert_eq!(Some("there".to_owned()), line(&mut cache, &format!("{name}/string"), 1));
    assert_eq!(None, line(&mut cache, "", 1));
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_not_a_regular_file_is_never_opened() {
    let shop = Shop::new();
    let fifo = shop.path("fifo.py");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, fifo.as_str(), rustix::fs::FileType::Fifo, mode, 0).expect("a fifo");
    let mut cache = SourceCache::new();

    assert_eq!(None, line(&mut cache, &fifo, 1));
    assert_eq!(None, line(&mut cache, "/dev/zero", 1));
    assert_eq!(None, line(&mut cache, &shop.path(""), 1));
}

#[test]
fn a_file_beyond_the_limit_shows_the_lines_before_it() {
    let shop = Shop::new();
    let path = write(&shop, "large.py", format!("{:1023}\n", "x = 1").repeat(5 * 1024));
    let mut cache = SourceCache::new();

    assert_eq!(Some("x = 1".to_owned()), line(&mut cache, &path, 4096));
    assert_eq!(None, line(&mut cache, &path, 4097));
}

#[test]
fn the_cache_stays_within_its_bounds() {
    let shop = Shop::new();
    let large = "x = 1\n".repeat(300_000);
    let mut cache = SourceCache::new();

    for index in 0..100 {
        let content = if index < 12 { large.as_str() } else { "y = 2\n" };
        let path = write(&shop, &format!("module{index}.py"), content);
        assert!(line(&mut cache, &path, 1).is_some());
        let (files, bytes) = cache.size();
        assert!(files <= 64 && bytes <= 16 * 1024 * 1024, "{files} files, {bytes} bytes");
    }

    assert_eq!(64, cache.size().0);
}
