//! What is no configuration: broken, cut short, of other kinds.

use super::{Refusal, raw};

pub(super) fn texts() -> Vec<Refusal> {
    let first = |with: &'static str| move |good: String| good.replacen('{', &format!("{{{with},"), 1);
    let deep = format!("\"x\": {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let padding = format!("\"annotations\": {{ \"a\": \"{}\" }}", "x".repeat(1024 * 1024));
    vec![
        raw("empty", |_| String::new(), "config.json: line 1, column 1: unexpected end of the text"),
        raw("truncated", |good| good[..good.len() / 2].into(), "mounts[1].options[4]: unexpected end of the text"),
        raw(
            "truncated-in-a-string",
            |good| good[..good.find("must-not").unwrap() + 3].into(),
            "config.json: line 11, column 17: process.args[2]: unexpected end of the text",
        ),
        raw("not-json", |_| "hello".into(), "config.json: line 1, column 1: expected a value"),
        raw("behind-the-end", |good| good + "x", "more after the end"),
        raw(
            "deep",
            move |good| good.replacen('{', &format!("{{{deep},"), 1),
            "[0][0]: nested too deep, at most 32 levels",
        ),
        raw(
            "twice",
            first("\"hostname\": \"\", \"hostname\": \"\""),
            "config.json: line 1, column 18: hostname: given twice",
        ),
        raw(
            "twice-below",
            |good| good.replacen("\"cwd\": \"/\"", "\"cwd\": \"/\", \"cwd\": \"/tmp\"", 1),
            "config.json: line 16, column 21: process.cwd: given twice",
        ),
        raw(
            "too-large",
            move |good| good.replacen('{', &format!("{{{padding},"), 1),
            "read config.json: too many bytes: 1048577, at most 1048576",
        ),
        raw("nul", |good| good.replacen("must-not-run", r"must\u0000not", 1), "process.args[2]: NUL in a string"),
        raw(
            "half-a-character",
            |good| good.replacen("must-not-run", r"\ud800", 1),
            "process.args[2]: lone surrogate in a string",
        ),
        raw(
            "control-character",
            |good| good.replacen("must-not-run", "must\nnot", 1),
            "process.args[2]: control character in a string",
        ),
        raw(
            "number-too-large",
            |good| good.replacen("\"uid\": 0", "\"uid\": 4294967296", 1),
            "process.user.uid: expected an integer from 0 to 4294967294",
        ),
        raw(
            "number-broken",
            |good| good.replacen("\"uid\": 0", "\"uid\": 01", 1),
            "process.user.uid: malformed number",
        ),
        raw(
            "fraction",
            |good| good.replacen("\"uid\": 0", "\"uid\": 0.5", 1),
            "process.user.uid: expected an integer from 0 to 4294967294",
        ),
    ]
}
