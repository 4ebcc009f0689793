//! What `mini-netlink` makes and tells, held against what `ip` tells of it.
//!
//! Each case makes or changes something. Then `ip -j -d` must tell what was asked for, and everything that our own list
//! tells of it must be what `ip` tells, too. A case is a line `netlink=NAME ok`, or what is wrong.

/// Puts the fields that are set into an object, under their own names.
macro_rules! fields {
    ($data:ident: $($field:ident),*) => {{
        let mut object = Map::new();
        $(if let Some(value) = &$data.$field {
            object.insert(stringify!($field).into(), json!(value));
        })*
        object
    }};
}

mod addresses;
mod links;
mod neighbours;
mod routes;
mod rules;
mod strict;

use std::fmt::Debug;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use mini_netlink::{BUFFER_BYTES, Error, LinkKind, LinkName, LinkSettings, Listed, NewLink, Socket};
use serde_json::{Value, json};

use crate::Report;

/// All cases. Wants a network namespace of its own, CAP_NET_ADMIN, and `ip`.
pub(crate) fn run(report: &mut Report) {
    let mut buffer = [0; BUFFER_BYTES];
    match Socket::open(&mut buffer) {
        Ok(socket) => {
            let mut bench = Bench { socket, report };
            links::links(&mut bench);
            links::changes(&mut bench);
            addresses::addresses(&mut bench);
            routes::routes(&mut bench);
            neighbours::neighbours(&mut bench);
            rules::rules(&mut bench);
            strict::strict(&mut bench);
        }
        Err(error) => report.say("netlink", format_args!("open {error}")),
    }
}

const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(300);

struct Bench<'b, 'r> {
    socket: Socket<'b>,
    report: &'r mut Report,
}

type Checked = Result<(), String>;

impl Bench<'_, '_> {
    fn case(&mut self, name: &str, check: impl FnOnce(&mut Self) -> Checked) {
        let outcome = check(self).err().unwrap_or_else(|| "ok".into());
        self.report.say("netlink", format_args!("{name} {outcome}"));
        self.report.flush();
    }

    fn index(&mut self, name: &str) -> Result<u32, String> {
        self.socket.link_index(&link_name(name)).map_err(|error| format!("no link {name}: {error}"))
    }

    /// Has a request carried out.
    fn ask(&mut self, request: &dyn mini_netlink::wire::Request) -> Checked {
        self.socket.request(request).map_err(refused)
    }

    /// The messages of a list, read.
    fn list<T>(
        &mut self,
        mut list: impl FnMut(&mut Socket<'_>, &mut dyn FnMut(Option<T>)) -> Result<(), Error>,
    ) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        list(&mut self.socket, &mut |told| match told {
            Some(object) => all.push(object),
            None => all.clear(),
        })
        .map_err(|error| format!("list: {error}"))?;
        Ok(all)
    }

    fn names(&mut self) -> Result<Vec<(u32, String)>, String> {
        let links = self.list(|socket, each| socket.links(&mut |listed| each(object(listed))))?;
        Ok(links.iter().map(|link| (link.index, text(link.name.as_bytes()))).collect())
    }

    /// `ip` must tell this of a link, and all that we are told of it. Its state and its counters may move on between two
    /// looks: then both look again.
    fn check_link(&mut self, name: &str, expected: &Value) -> Checked {
        for _ in 0..LOOKS {
            if self.compare_link(name, expected).is_ok() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        self.compare_link(name, expected)
    }

    fn compare_link(&mut self, name: &str, expected: &Value) -> Checked {
        let told = ip(&format!("-s link show dev {name}"))?;
        let told = told.get(0).ok_or("ip tells nothing")?;
        holds(expected, told, "asked for")?;
        let links = self.list(|socket, each| socket.links(&mut |listed| each(object(listed))))?;
        let link = links.iter().find(|link| link.name.as_bytes() == name.as_bytes()).ok_or("not in our list")?;
        let alone = self.socket.link(&link_name(name)).map_err(|error| error.to_string())?;
        if (alone.kind, alone.mac, alone.flags) != (link.kind, link.mac, link.flags) {
            return Err(format!("alone {alone:?}, listed {link:?}"));
        }
        let names = self.names()?;
        holds(&links::link_json(link, &names), told, "our list")
    }

    fn make(&mut self, name: &str, kind: &dyn LinkKind, settings: LinkSettings<'_>, expected: Value) {
        let kind_name = text(kind.name());
        self.case(&format!("{kind_name}-{name}"), |bench| {
            let settings = LinkSettings { name: Some(link_name(name)), ..settings };
            bench.ask(&NewLink { kind, index: None, settings })?;
            let mut whole = json!({ "ifname": name, "linkinfo": { "info_kind": kind_name } });
            merge(&mut whole, expected);
            bench.check_link(name, &whole)
        });
    }
}

/// Holds that all of `part` is in `whole`; a switch may be a number or a word.
fn holds(part: &Value, whole: &Value, who: &str) -> Checked {
    match first_difference(part, whole, "") {
        None => Ok(()),
        Some((path, value)) => Err(format!("{who}: {path} is {value}, but ip tells {whole}")),
    }
}

fn first_difference(part: &Value, whole: &Value, path: &str) -> Option<(String, String)> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            first_difference(value, whole.get(key).unwrap_or(&json!("(absent)")), &path)
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => {
            part.iter().zip(whole).find_map(|(part, whole)| first_difference(part, whole, path))
        }
        (Value::Bool(on), Value::Number(_)) if *whole == json!(u8::from(*on)) => None,
        // `ip` prints many switches only when they are on.
        (Value::Bool(false), Value::String(absent)) if absent == "(absent)" => None,
        (part, whole) if part == whole => None,
        (part, whole) => Some((path.to_owned(), format!("{part} and not {whole}"))),
    }
}

fn merge(value: &mut Value, other: Value) {
    match (value, other) {
        (Value::Object(value), Value::Object(other)) => {
            for (key, other) in other {
                merge(value.entry(key).or_insert(Value::Null), other);
            }
        }
        (value, other) => *value = other,
    }
}

/// What `ip -j -d` prints.
fn ip(arguments: &str) -> Result<Value, String> {
    let output = run_command(&format!("-j -d {arguments}"))?;
    if output.trim().is_empty() {
        return Ok(json!([]));
    }
    serde_json::from_str(&output).map_err(|error| format!("ip {arguments}: {error}: {output}"))
}

fn run_ip(arguments: &str) -> Checked {
    run_command(arguments).map(|_| ())
}

fn run_command(arguments: &str) -> Result<String, String> {
    let output = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn object<T>(listed: Listed<T>) -> Option<T> {
    match listed {
        Listed::Object(object) => Some(object),
        Listed::Again => None,
    }
}

fn refused(error: Error) -> String {
    format!("refused: {error}")
}

fn link_name(text: &str) -> LinkName {
    name(text)
}

fn name<'a, T: TryFrom<&'a str, Error: Debug>>(text: &'a str) -> T {
    T::try_from(text).expect("a name")
}

fn ip_address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
