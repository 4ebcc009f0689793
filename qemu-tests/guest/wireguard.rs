//! What `mini-netlink` makes and tells of WireGuard, held against what `wg` tells and makes of it.
//!
//! Both sides of each comparison are lines as of `wg show DEVICE dump`. A case is a line `wireguard=NAME ok`, or what is wrong.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mini_netlink::wireguard::{AllowedIp, Device, Key, Part, Peer, PeerStatus, SetDevice};
use mini_netlink::{BUFFER_BYTES, Errno, Error, LOOPBACK, LinkName, LinkSettings, Listed, Socket};

use crate::Report;

/// All cases. Wants a network namespace of its own, CAP_NET_ADMIN, and `wg`.
pub(crate) fn run(report: &mut Report) {
    let cases: [(&str, Case); 8] = [
        ("keys", keys),
        ("settings", settings),
        ("changes", changes),
        ("made-by-wg", made_by_wg),
        ("many", many),
        ("small-buffer", small_buffer),
        ("handshake", handshake),
        ("refusals", refusals),
    ];
    for (name, case) in cases {
        let outcome = case().err().unwrap_or_else(|| "ok".into());
        report.say("wireguard", format_args!("{name} {outcome}"));
        report.flush();
    }
}

type Checked = Result<(), String>;
type Case = fn() -> Checked;

/// A device of its own for each case.
struct Tunnel<'b> {
    socket: Socket<'b>,
    family: u16,
    index: u32,
    name: &'static str,
}

impl<'b> Tunnel<'b> {
    fn new(name: &'static str, buffer: &'b mut [u8]) -> Result<Self, String> {
        let link = LinkName::try_from(name).map_err(|_| "name")?;
        let mut answers = [0; BUFFER_BYTES];
        let mut socket = Socket::open(&mut answers).map_err(text)?;
        let settings = LinkSettings { up: Some(true), ..LinkSettings::named(link) };
        socket.new_link(&"wireguard", &settings).map_err(text)?;
        let index = socket.link_index(&link).map_err(text)?;
        let mut socket = Socket::open_generic(buffer).map_err(text)?;
        let family = socket.family(b"wireguard").map_err(text)?;
        Ok(Self { socket, family, index, name })
    }

    fn device(&self) -> SetDevice<'static> {
        SetDevice::new(self.family, self.index)
    }

    fn set(&mut self, device: &SetDevice<'_>) -> Checked {
        self.socket.set_wireguard(device).map_err(text)
    }

    fn set_peers(&mut self, peers: &[Peer<'_>]) -> Checked {
        let device = SetDevice { peers, ..self.device() };
        self.socket.set_wireguard(&device).map_err(text)
    }

    /// What our own list tells.
    fn told(&mut self) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        let mut tell = |listed| match listed {
            Listed::Again => parts.clear(),
            Listed::Object(part) => parts.push(part),
        };
        self.socket.wireguard(self.family, self.index, &mut tell).map_err(text)?;
        Ok(parts)
    }

    /// That our list and that of `wg` are the same, and have these peers: key and networks.
    fn agrees(&mut self, expected: &[(Key, &[AllowedIp])]) -> Checked {
        let (ours, theirs) = (dump(&self.told()?), wg(&["show", self.name, "dump"], "")?);
        let theirs: BTreeSet<String> = theirs.lines().map(sorted_networks).collect();
        if ours != theirs {
            let difference: Vec<_> = ours.symmetric_difference(&theirs).take(4).collect();
            return Err(format!("ours {} lines, wg's {}: {difference:?}", ours.len(), theirs.len()));
        }
        let wanted: BTreeSet<(String, String)> =
            expected.iter().map(|(key, networks)| (key_text(key), networks_text(networks))).collect();
        let found: BTreeSet<(String, String)> = ours
            .iter()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .filter(|fields| fields.len() == 8)
            .map(|fields| (fields[0].to_owned(), fields[3].to_owned()))
            .collect();
        if wanted == found { Ok(()) } else { Err(format!("wanted {wanted:?}, found {found:?}")) }
    }
}

fn keys() -> Checked {
    for _ in 0..20 {
        let printed = wg(&["genkey"], "")?;
        let private = Key::parse(printed.trim().as_bytes()).map_err(|_| format!("{printed} is not read"))?;
        if key_text(&private) != printed.trim() {
            return Err(format!("{printed} is written as {}", key_text(&private)));
        }
        let mut buffer = [0; BUFFER_BYTES];
        let mut tunnel = Tunnel::new("wgkeys", &mut buffer)?;
        tunnel.set(&SetDevice { private_key: Some(private), ..tunnel.device() })?;
        let public = wg(&["pubkey"], &printed)?;
        match tunnel.told()?[..] {
            [Part::Device(Device { private_key, public_key: Some(key), .. })]
                if private_key == Some(private) && key_text(&key) == public.trim() => {}
            ref other => return Err(format!("{other:?}, wanted {public}")),
        }
        let link = tunnel.index;
        let mut answers = [0; BUFFER_BYTES];
        Socket::open(&mut answers).and_then(|mut socket| socket.delete_link(link)).map_err(text)?;
    }
    Ok(())
}

fn settings() -> Checked {
    let mut buffer = [0; BUFFER_BYTES];
    let mut tunnel = Tunnel::new("wgset", &mut buffer)?;
    tunnel.agrees(&[])?;
    let networks = [v4([10, 0, 0, 0], 8), v6(0xfd00, 64), v4([192, 0, 2, 7], 32)];
    let everything = [v4([0; 4], 0), v6(0, 0)];
    let first = Peer {
        preshared_key: Some(key(3)),
        endpoint: Some(SocketAddr::from(([192, 0, 2, 1], 51820))),
        keepalive_s: Some(25),
        allowed: &networks,
        ..Peer::new(key(2))
    };
    let second = Peer {
        endpoint: Some(SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 7))),
        allowed: &everything,
        ..Peer::new(key(4))
    };
    let device = SetDevice {
        private_key: Some(key(8)),
        listen_port: Some(51820),
        firewall_mark: Some(0x1234),
        replace_peers: true,
        peers: &[first, second, Peer::new(key(5))],
        ..tunnel.device()
    };
    tunnel.set(&device)?;
    tunnel.agrees(&[(key(2), &networks), (key(4), &everything), (key(5), &[])])?;
    let told = tunnel.told()?;
    let [Part::Device(device), ..] = told[..] else { return Err(format!("{told:?}")) };
    let peer = told.iter().find_map(|part| match part {
        Part::Peer(peer) if peer.public_key == key(2) => Some(*peer),
        _ => None,
    });
    let Some(peer) = peer else { return Err(format!("{told:?}")) };
    let right = (device.listen_port, device.firewall_mark) == (51820, 0x1234)
        && (peer.preshared_key, peer.endpoint, peer.keepalive_s) == (first.preshared_key, first.endpoint, 25);
    if right { Ok(()) } else { Err(format!("{device:?} {peer:?}")) }
}

fn changes() -> Checked {
    let mut buffer = [0; BUFFER_BYTES];
    let mut tunnel = Tunnel::new("wgchange", &mut buffer)?;
    let (ten, eleven) = ([v4([10, 0, 0, 0], 8)], [v4([11, 0, 0, 0], 8)]);
    let both = [ten[0], eleven[0]];
    let peer = Peer { preshared_key: Some(key(9)), keepalive_s: Some(5), allowed: &ten, ..Peer::new(key(2)) };
    tunnel.set(&SetDevice { private_key: Some(key(8)), peers: &[peer], ..tunnel.device() })?;
    // Networks are added, replaced, and taken by another.
    tunnel.set_peers(&[Peer { allowed: &eleven, ..Peer::new(key(2)) }])?;
    tunnel.agrees(&[(key(2), &both)])?;
    tunnel.set_peers(&[Peer { allowed: &eleven, replace_allowed: true, ..Peer::new(key(2)) }])?;
    tunnel.agrees(&[(key(2), &eleven)])?;
    tunnel.set_peers(&[Peer { allowed: &eleven, ..Peer::new(key(4)) }])?;
    tunnel.agrees(&[(key(2), &[]), (key(4), &eleven)])?;
    // Secrets and intervals go.
    tunnel.set_peers(&[Peer { preshared_key: Some(Key::NONE), keepalive_s: Some(0), ..Peer::new(key(2)) }])?;
    let plain = |part: &Part| matches!(part, Part::Peer(PeerStatus { preshared_key: None, keepalive_s: 0, .. }));
    if tunnel.told()?.iter().filter(|part| plain(part)).count() != 2 {
        return Err(format!("{:?}", tunnel.told()?));
    }
    // Only who exists is changed; who is removed is gone; who is not there is no error.
    tunnel.set_peers(&[Peer { update_only: true, allowed: &ten, ..Peer::new(key(6)) }])?;
    tunnel.set_peers(&[Peer { remove: true, ..Peer::new(key(4)) }, Peer { remove: true, ..Peer::new(key(7)) }])?;
    tunnel.agrees(&[(key(2), &[])])?;
    tunnel.set(&SetDevice { private_key: Some(Key::NONE), replace_peers: true, ..tunnel.device() })?;
    tunnel.agrees(&[])?;
    match tunnel.told()?[..] {
        [Part::Device(Device { private_key: None, public_key: None, .. })] => Ok(()),
        ref other => Err(format!("{other:?}")),
    }
}

fn made_by_wg() -> Checked {
    let mut buffer = [0; BUFFER_BYTES];
    let mut tunnel = Tunnel::new("wgmade", &mut buffer)?;
    let (two, four) = (key_text(&key(2)), key_text(&key(4)));
    let file = format!(
        "[Interface]\nPrivateKey={}\nListenPort=999\nFwMark=7\n[Peer]\nPublicKey={two}\nAllowedIPs=10.0.0.0/8,fd00::/64\n\
            Endpoint=[fe80::1%lo]:9\nPersistentKeepalive=3\n[Peer]\nPublicKey={four}\nPresharedKey={two}\nEndpoint=192.0.2.9:1\n",
        key_text(&key(8)),
    );
    wg(&["setconf", "wgmade", "/dev/stdin"], &file)?;
    tunnel.agrees(&[(key(2), &[v4([10, 0, 0, 0], 8), v6(0xfd00, 64)]), (key(4), &[])])
}

/// Peers and networks that fill many messages, in both directions.
fn many() -> Checked {
    let mut buffer = [0; BUFFER_BYTES];
    fill(&mut Tunnel::new("wgmany", &mut buffer)?)
}

/// The same in messages of at most a kilobyte to the kernel, which answers longer ones.
fn small_buffer() -> Checked {
    let mut buffer = [0; 1024];
    let mut tunnel = Tunnel::new("wgsmall", &mut buffer)?;
    let networks: Vec<_> = (0..100).map(|low| v4([10, 0, 0, low], 32)).collect();
    let removed = Peer { allowed: &networks, remove: true, ..Peer::new(key(6)) };
    let absent = Peer { allowed: &networks, update_only: true, ..Peer::new(key(7)) };
    tunnel.set_peers(&[Peer::new(key(6)), Peer { allowed: &networks, ..Peer::new(key(2)) }, removed, absent])?;
    if tunnel.told() != Err(text(Error::Truncated)) {
        return Err("an answer that is too long was told".into());
    }
    let (family, index) = (tunnel.family, tunnel.index);
    let mut buffer = [0; BUFFER_BYTES];
    let socket = Socket::open_generic(&mut buffer).map_err(text)?;
    Tunnel { socket, family, index, name: "wgsmall" }.agrees(&[(key(2), &networks)])
}

fn fill(tunnel: &mut Tunnel<'_>) -> Checked {
    let large: Vec<_> = (0..2000_u16)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            v4([10, high, low, 0], 24)
        })
        .collect();
    let small: Vec<[AllowedIp; 2]> =
        (0..200).map(|number| [v4([172, 16, number, 0], 28), v6(0xfd00 + u16::from(number), 16)]).collect();
    let mut peers: Vec<_> = small
        .iter()
        .zip(100..)
        .map(|(networks, number)| Peer { allowed: networks, keepalive_s: Some(7), ..Peer::new(numbered(number)) })
        .collect();
    peers.insert(100, Peer { allowed: &large, replace_allowed: true, ..Peer::new(key(2)) });
    tunnel.set(&SetDevice { private_key: Some(key(8)), replace_peers: true, peers: &peers, ..tunnel.device() })?;
    let expected: Vec<_> = peers.iter().map(|peer| (peer.public_key, peer.allowed)).collect();
    tunnel.agrees(&expected)
}

/// Two devices that call each other over the loopback: what they count is told.
fn handshake() -> Checked {
    let mut answers = [0; BUFFER_BYTES];
    Socket::open(&mut answers).and_then(|mut socket| socket.set_up(LOOPBACK)).map_err(text)?;
    let (mut one, mut two) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let (mut one, mut two) = (Tunnel::new("wgone", &mut one)?, Tunnel::new("wgtwo", &mut two)?);
    let mut public = [Key::NONE; 2];
    for ((tunnel, number), public) in [&mut one, &mut two].into_iter().zip(1..).zip(&mut public) {
        let device = SetDevice {
            private_key: Some(key(number * 8)),
            listen_port: Some(5000 + u16::from(number)),
            ..tunnel.device()
        };
        tunnel.set(&device)?;
        let told = tunnel.told()?;
        let [Part::Device(Device { public_key: Some(key), .. })] = told[..] else { return Err(format!("{told:?}")) };
        *public = key;
    }
    let peer = |public, port| Peer {
        endpoint: Some(SocketAddr::from(([127, 0, 0, 1], port))),
        keepalive_s: Some(1),
        ..Peer::new(public)
    };
    two.set_peers(&[peer(public[0], 5001)])?;
    one.set_peers(&[peer(public[1], 5002)])?;
    let begin = Instant::now();
    loop {
        let told = one.told()?;
        if let [Part::Device(_), Part::Peer(PeerStatus { handshake: Some(time), received_bytes, sent_bytes, .. })] =
            told[..]
            && received_bytes > 0
            && sent_bytes > 0
        {
            // Counted are whole seconds; the counters go on between two looks.
            let line = format!("{}\t{}", key_text(&public[1]), time.as_secs());
            let theirs = wg(&["show", "wgone", "latest-handshakes"], "")?;
            return if theirs.trim() == line { Ok(()) } else { Err(format!("{line}, wg: {theirs}")) };
        }
        if begin.elapsed() > Duration::from_secs(30) {
            return Err(format!("no handshake: {told:?}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn refusals() -> Checked {
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open_generic(&mut buffer).map_err(text)?;
    let family = socket.family(b"wireguard").map_err(text)?;
    let expect = |what: &str, result: Result<(), Error>, errno: Errno| match result {
        Err(error) if error.errno() == Some(errno) => Ok(()),
        other => Err(format!("{what}: {other:?}")),
    };
    expect("no family", socket.family(b"no-such-family").map(drop), Errno::NOENT)?;
    expect("no device", socket.set_wireguard(&SetDevice::new(family, 9999)), Errno::NODEV)?;
    expect("no wireguard", socket.set_wireguard(&SetDevice::new(family, LOOPBACK)), Errno::OPNOTSUPP)?;
    expect("list of no device", socket.wireguard(family, 9999, &mut |_| {}), Errno::NODEV)?;
    expect("list of no wireguard", socket.wireguard(family, LOOPBACK, &mut |_| {}), Errno::OPNOTSUPP)
}

/// What `wg` prints.
fn wg(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("wg");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("wg: {error}"))?;
    // What it does not read is no loss.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(|error| format!("wg: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("wg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// The parts as lines of `wg show DEVICE dump`.
fn dump(parts: &[Part]) -> BTreeSet<String> {
    let optional = |key: Option<Key>| key.map_or("(none)".to_owned(), |key| key_text(&key));
    let mut lines: Vec<(String, Vec<AllowedIp>, String)> = Vec::new();
    for part in parts {
        match part {
            Part::Device(device) => {
                let mark = match device.firewall_mark {
                    0 => "off".to_owned(),
                    mark => format!("{mark:#x}"),
                };
                let keys = format!("{}\t{}", optional(device.private_key), optional(device.public_key));
                lines.push((format!("{keys}\t{}\t{mark}", device.listen_port), Vec::new(), String::new()));
            }
            Part::Peer(peer) => {
                let endpoint = peer.endpoint.map_or("(none)".to_owned(), endpoint_text);
                let before = format!("{}\t{}\t{endpoint}", key_text(&peer.public_key), optional(peer.preshared_key));
                let keepalive = match peer.keepalive_s {
                    0 => "off".to_owned(),
                    seconds => seconds.to_string(),
                };
                let seconds = peer.handshake.map_or(0, |time| time.as_secs());
                let behind = format!("{seconds}\t{}\t{}\t{keepalive}", peer.received_bytes, peer.sent_bytes);
                lines.push((before, Vec::new(), behind));
            }
            Part::Allowed(network) => {
                if let Some((_, networks, _)) = lines.last_mut() {
                    networks.push(*network);
                }
            }
        }
    }
    let line = |(before, networks, behind): (String, Vec<AllowedIp>, String)| match behind.is_empty() {
        true => before,
        false => format!("{before}\t{}\t{behind}", networks_text(&networks)),
    };
    lines.into_iter().map(line).collect()
}

/// A line of `wg`'s, its networks in the order of their texts: they come as the kernel's tree has them.
fn sorted_networks(line: &str) -> String {
    let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
    if let Some(networks) = fields.get_mut(3) {
        let mut all: Vec<&str> = networks.split(',').collect();
        all.sort_unstable();
        *networks = all.join(",");
    }
    fields.join("\t")
}

fn networks_text(networks: &[AllowedIp]) -> String {
    let mut all: Vec<String> =
        networks.iter().map(|network| format!("{}/{}", network.address, network.prefix_length)).collect();
    all.sort_unstable();
    if all.is_empty() { "(none)".into() } else { all.join(",") }
}

/// As `wg` has it from getnameinfo(3): the scope by the link's name.
fn endpoint_text(endpoint: SocketAddr) -> String {
    match endpoint {
        SocketAddr::V6(v6) if v6.scope_id() == LOOPBACK => format!("[{}%lo]:{}", v6.ip(), v6.port()),
        other => other.to_string(),
    }
}

fn key_text(key: &Key) -> String {
    String::from_utf8_lossy(&key.text()).into_owned()
}

/// A key that is not changed when it is made a private one: its lowest three bits and its highest two are 0 and 01.
fn key(number: u8) -> Key {
    let mut bytes = [number; Key::BYTES];
    (bytes[0], bytes[31]) = (number & 0xf8, 0x40);
    bytes[1] = number;
    Key::new(bytes)
}

fn numbered(number: u16) -> Key {
    let [high, low] = number.to_be_bytes();
    let mut bytes = [0x55; Key::BYTES];
    (bytes[0], bytes[1]) = (high, low);
    Key::new(bytes)
}

fn v4(address: [u8; 4], prefix_length: u8) -> AllowedIp {
    AllowedIp { address: IpAddr::V4(Ipv4Addr::from(address)), prefix_length }
}

fn v6(first: u16, prefix_length: u8) -> AllowedIp {
    AllowedIp { address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)), prefix_length }
}

fn text(error: Error) -> String {
    error.to_string()
}
