//! A container's state as JSON: runtime-spec `runtime.md#state`. Hooks read it, and whoever asks for it.

use crate::config::spec::Pair;
use crate::text::Line;
use crate::texts::CStr;

/// What is known of a container at a moment of its life.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// Version of the specification that the container follows.
    pub version: &'a CStr,
    /// The container's name.
    pub id: &'a CStr,
    /// `creating`, `created`, `running` or `stopped`.
    pub status: &'static str,
    /// Its first process, as the reader sees it; none in a container that has ended.
    pub pid: Option<u32>,
    /// The bundle's directory, absolute.
    pub bundle: &'a CStr,
    /// The configuration's `annotations`.
    pub annotations: &'a [Pair<'a>],
}

/// Writes a state as one JSON object.
pub fn print(line: &mut Line, state: &State) {
    line.byte(b'{');
    members(line, state);
    line.byte(b'}');
}

/// Writes the members of that object: for who has more to say.
pub fn members(line: &mut Line, state: &State) {
    string(line.say(t!("\"ociVersion\":")), state.version.to_bytes());
    string(line.say(t!(",\"id\":")), state.id.to_bytes());
    line.say(t!(",\"status\":\"")).text(state.status).byte(b'"');
    if let Some(pid) = state.pid {
        line.say(t!(",\"pid\":")).number(pid.into());
    }
    string(line.say(t!(",\"bundle\":")), state.bundle.to_bytes());
    if !state.annotations.is_empty() {
        let mut separator = ",\"annotations\":{";
        for pair in state.annotations {
            string(line.text(separator), pair.name.to_bytes());
            string(line.byte(b':'), pair.value.to_bytes());
            separator = ",";
        }
        line.byte(b'}');
    }
}

/// At least as many bytes as a state has when it is written.
pub fn room(state: &State) -> usize {
    let mut strings = state.version.count_bytes() + state.id.count_bytes() + state.bundle.count_bytes();
    for pair in state.annotations {
        strings += pair.name.count_bytes() + pair.value.count_bytes() + 1;
    }
    // A control character takes six bytes; what stands around the strings is less than 128.
    strings * 6 + 128
}

/// Writes a JSON string.
pub fn string(line: &mut Line, text: &[u8]) {
    line.byte(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => _ = line.byte(b'\\').byte(byte),
            0..b' ' => _ = line.text(if byte < 16 { "\\u000" } else { "\\u001" }).hexadecimal_digit(byte & 15),
            _ => _ = line.byte(byte),
        }
    }
    line.byte(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(state: &State) -> String {
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        print(&mut line, state);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_state_is_the_specifications_object() {
        let mut state = State {
            version: s!("1.2.0"),
            id: s!("web"),
            status: "running",
            pid: Some(4422),
            bundle: s!("/containers/redis"),
            annotations: &[Pair { name: s!("myKey"), value: s!("myValue") }, Pair { name: s!("b"), value: s!("") }],
        };
        assert_eq!(
            written(&state),
            r#"{"ociVersion":"1.2.0","id":"web","status":"running","pid":4422,"bundle":"/containers/redis","#
                .to_owned()
                + r#""annotations":{"myKey":"myValue","b":""}}"#
        );
        state = State { status: "stopped", pid: None, annotations: &[], ..state };
        assert!(written(&state).len() < room(&state));
        assert_eq!(
            written(&state),
            r#"{"ociVersion":"1.2.0","id":"web","status":"stopped","bundle":"/containers/redis"}"#
        );
    }

    #[test]
    fn text_of_any_kind_stays_in_its_string() {
        let mut buffer = [0; 64];
        let mut line = Line::new(&mut buffer);
        string(&mut line, "a\"b\\c\n\x1f\x01grün".as_bytes());
        assert_eq!(line.bytes(), "\"a\\\"b\\\\c\\u000a\\u001f\\u0001grün\"".as_bytes());
    }
}
