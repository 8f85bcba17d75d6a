//! Stack traces below a record's line.

use super::style::{Ink, Style};
use super::text::push_escaped;

/// Parts of a path that mark a frame as somebody else's code.
const LIBRARY_MARKS: [&str; 4] = ["site-packages", "dist-packages", "lib/python3", "<frozen"];

/// Columns by which the lines of a stack trace are moved in, so that they cannot be taken for records.
const INDENT: &[u8] = b"    ";

/// Writes a stack trace: one line for each of its lines, moved in, frames of the program bright and those of
/// libraries dim.
pub(super) fn write_trace(out: &mut Vec<u8>, trace: &str, style: Style) {
    // The frame that the lines stand in: its column, and its colour. Source lines stand further in than `File`,
    // the exception's own text further out. Groups draw a margin of `|`, `+` and `-`, which counts as space.
    let mut frame: Option<(usize, Ink)> = None;
    for line in trace.trim_end_matches('\n').split('\n') {
        let content = line.trim_start_matches([' ', '|', '+', '-']);
        let column = line.len() - content.len();
        if content.starts_with("File \"") {
            let is_library = LIBRARY_MARKS.iter().any(|mark| content.replace('\\', "/").contains(mark));
            frame = Some((column, if is_library { Ink::Dim } else { Ink::Bright }));
        }
        let ink = match frame {
            Some((start, ink)) if column >= start => ink,
            _ => {
                frame = None;
                Ink::Normal
            }
        };
        out.extend_from_slice(INDENT);
        style.paint(out, ink, |out| push_escaped(out, line));
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_program_are_bright_and_those_of_libraries_dim() {
        let trace = concat!(
            "Traceback (most recent call last):\n",
            "  File \"/srv/shop/pay.py\", line 3, in pay\n",
            "    send(order)\n",
            "  [Previous line repeated 2 more times]\n",
            "  File \"/venv/lib/python3.14/site-packages/http/client.py\", line 9, in send\n",
            "    raise OSError\n",
            "  File \"<frozen runpy>\", line 1, in run\n",
            "OSError: no \x1b[31m route\n",
            "  | text of a note\n",
        );
        let mut out = Vec::new();

        write_trace(&mut out, trace, Style { has_color: true, has_unicode: true });

        let expected = concat!(
            "    Traceback (most recent call last):\n",
            "    \x1b[1m  File \"/srv/shop/pay.py\", line 3, in pay\x1b[0m\n",
            "    \x1b[1m    send(order)\x1b[0m\n",
            "    \x1b[1m  [Previous line repeated 2 more times]\x1b[0m\n",
            "    \x1b[2m  File \"/venv/lib/python3.14/site-packages/http/client.py\", line 9, in send\x1b[0m\n",
            "    \x1b[2m    raise OSError\x1b[0m\n",
            "    \x1b[2m  File \"<frozen runpy>\", line 1, in run\x1b[0m\n",
            "    OSError: no \\u{001b}[31m route\n",
            "      | text of a note\n",
        );
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn the_margin_of_an_exception_group_does_not_hide_its_frames() {
        let trace = concat!(
            "  + Exception Group Traceback (most recent call last):\n",
            "  |   File \"/srv/a.py\", line 1, in f\n",
            "  |     g()\n",
            "  | ExceptionGroup: two (2 sub-exceptions)\n",
            "  +-+---------------- 1 ----------------\n",
        );
        let mut out = Vec::new();

        write_trace(&mut out, trace, Style { has_color: true, has_unicode: true });

        let expected = concat!(
            "      + Exception Group Traceback (most recent call last):\n",
            "    \x1b[1m  |   File \"/srv/a.py\", line 1, in f\x1b[0m\n",
            "    \x1b[1m  |     g()\x1b[0m\n",
            "      | ExceptionGroup: two (2 sub-exceptions)\n",
            "      +-+---------------- 1 ----------------\n",
        );
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
