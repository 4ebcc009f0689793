//! What a container's network costs: a new network namespace, a pair of links into it, addresses, a default route.
//!
//! Three ways to the same result, taken in turn in one run: `mini-netlink`; a floor, which sends the same datagrams from
//! bytes laid out by hand and reads the answers without judging them; and `ip -batch`. CPU is user and system time of the
//! process and its children. `just bench-netlink` runs it, as root; all happens in namespaces of its own.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mini_netlink::{
    Action, Address, BUFFER_BYTES, ChangeAddress, ChangeRoute, GetLink, LOOPBACK, LinkName, LinkSettings, Namespace,
    NewLink, Peer, Route, SetLink, Socket, Veth, wire,
};

/// How often each of the first two; `ip` is slower and takes part in every eighth round.
const ROUNDS: u32 = 400;
const ROUNDS_PER_IP: u32 = 8;

/// The bars: CPU against the floor, and against `ip -batch`.
const FLOOR_BAR: f64 = 1.2;
const IP_BAR: f64 = 0.2;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

fn main() -> Result<()> {
    alone().context("needs root")?;
    floor::is_the_same()?;
    let machine = own_namespace()?;
    let mut contestants =
        [Contestant::new("mini-netlink", ours), Contestant::new("floor", floor::run), Contestant::new("ip -batch", ip)];
    for round in 0..ROUNDS {
        // In turn, and who is first in turn: what the machine does meanwhile meets all alike.
        for turn in 0..2 {
            contestants[(round as usize + turn) % 2].measure(&machine, round * 2 + turn as u32)?;
        }
        if round % ROUNDS_PER_IP == 0 {
            contestants[2].measure(&machine, 1_000_000 + round)?;
        }
    }
    let [ours, floor, ip] = &contestants;
    println!(
        "{:14} {:>6} {:>14} {:>14} {:>14} {:>14}",
        "", "n", "CPU median us", "CPU min us", "wall median us", "wall min us"
    );
    for Contestant { name, cpu, wall, .. } in &contestants {
        let [cpu_median, cpu_min, wall_median, wall_min] = [median(cpu), least(cpu), median(wall), least(wall)];
        println!("{name:14} {:>6} {cpu_median:>14.0} {cpu_min:>14.0} {wall_median:>14.0} {wall_min:>14.0}", cpu.len());
    }
    for (other, bar) in [(floor, FLOOR_BAR), (ip, IP_BAR)] {
        let [median, mean, min] = ratios(ours, other);
        println!(
            "CPU, mini-netlink / {:10} median {median:.3} (at most {bar}), mean {mean:.3}, min {min:.3}",
            other.name
        );
    }
    ensure!(ratios(ours, floor)[0] <= FLOOR_BAR && ratios(ours, ip)[0] <= IP_BAR, "over a bar");
    Ok(())
}

/// CPU of one against another: medians, means, minima. The bars are for the medians; a minimum is one lucky round.
fn ratios(one: &Contestant, other: &Contestant) -> [f64; 3] {
    [median, mean, least].map(|figure| figure(&one.cpu) / figure(&other.cpu))
}

/// One way to do it, and what it cost each time, in microseconds.
struct Contestant {
    name: &'static str,
    run: fn(&Task) -> Result<()>,
    cpu: Vec<f64>,
    wall: Vec<f64>,
}

/// What is to be made: the link `name` with this index here, its other end in a new namespace.
struct Task {
    index: u32,
    name: String,
}

impl Contestant {
    fn new(name: &'static str, run: fn(&Task) -> Result<()>) -> Self {
        Self { name, run, cpu: Vec::new(), wall: Vec::new() }
    }

    fn measure(&mut self, machine: &File, number: u32) -> Result<()> {
        let task = Task { index: 1000 + number, name: format!("h{number:07}") };
        let (wall, cpu) = (Instant::now(), cpu_time());
        (self.run)(&task).context(self.name)?;
        let (wall, cpu) = (wall.elapsed(), cpu_time() - cpu);
        self.wall.push(micros(wall));
        self.cpu.push(micros(cpu));
        check(machine, &task).context(self.name)
    }
}

/// Outside the measured time: holds the result against what was wanted, and clears it away.
fn check(machine: &File, task: &Task) -> Result<()> {
    // `ip` keeps its namespace under a name, the other two are in theirs.
    let named = File::open(format!("/run/netns/{}", task.name));
    if let Ok(named) = &named {
        join(named)?;
    }
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer)?;
    let guest = socket.link(&link_name("eth0")?)?;
    ensure!(guest.flags & (mini_netlink::link::UP) != 0, "eth0 is not up: {guest:?}");
    ensure!(socket.link_at(LOOPBACK)?.flags & mini_netlink::link::UP != 0, "lo is not up");
    let mut addresses = Vec::new();
    socket.addresses(&mini_netlink::GetAddresses::default(), &mut |listed| {
        if let mini_netlink::Listed::Object(address) = listed {
            addresses.push(address.address);
        }
    })?;
    ensure!(addresses.contains(&IpAddr::V4(GUEST)), "{addresses:?}");
    let mut gateways = Vec::new();
    socket.routes(&mini_netlink::GetRoutes::default(), &mut |listed| {
        if let mini_netlink::Listed::Object(route) = listed {
            gateways.push(route.gateway);
        }
    })?;
    ensure!(gateways.contains(&Some(IpAddr::V4(HOST))), "{gateways:?}");
    join(machine)?;
    let mut socket = Socket::open(&mut buffer)?;
    let index = socket.link_index(&link_name(task.name.as_str())?)?;
    socket.delete_link(index)?;
    if named.is_ok() {
        ensure!(Command::new("ip").args(["netns", "delete", &task.name]).status()?.success(), "ip netns delete");
    }
    // The kernel takes a namespace apart later, and would do so in the time of the next.
    std::thread::sleep(Duration::from_millis(4));
    Ok(())
}

fn ours(task: &Task) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    let mut socket = Socket::open(&mut buffer)?;
    leave()?;
    let there = own_namespace()?;
    let mut batch = socket.batch();
    batch.add(&pair(task, &veth(&there)?)?)?;
    batch.add(&address(task.index, HOST))?;
    batch.send()?;

    let mut socket = Socket::open(&mut buffer)?;
    let index = socket.link_index(&link_name("eth0")?)?;
    let mut batch = socket.batch();
    batch.add(&set_up(LOOPBACK))?;
    batch.add(&set_up(index))?;
    batch.add(&address(index, GUEST))?;
    batch.add(&DEFAULT)?;
    Ok(batch.send()?)
}

fn veth(there: &File) -> Result<Veth<'_>> {
    Ok(Veth { peer: Peer::named(link_name("eth0")?).inside(Namespace::Descriptor(there.as_fd())) })
}

fn pair<'a>(task: &Task, kind: &'a Veth<'a>) -> Result<NewLink<'a>> {
    let name = Some(link_name(task.name.as_str())?);
    let settings = LinkSettings { name, up: Some(true), ..LinkSettings::NONE };
    Ok(NewLink { kind, index: Some(task.index), settings })
}

fn address(index: u32, address: Ipv4Addr) -> ChangeAddress {
    ChangeAddress { action: Action::Add, address: Address::new(index, IpAddr::V4(address), 24) }
}

fn link_name(text: &str) -> Result<LinkName, mini_netlink::Error> {
    Ok(LinkName::try_from(text)?)
}

fn set_up(index: u32) -> SetLink<'static> {
    SetLink { index, settings: LinkSettings { up: Some(true), ..LinkSettings::NONE } }
}

const DEFAULT: ChangeRoute<'static> =
    ChangeRoute { action: Action::Add, route: Route { gateway: Some(IpAddr::V4(HOST)), ..Route::DEFAULT_V4 } };

fn ip(task: &Task) -> Result<()> {
    let name = &task.name;
    ensure!(Command::new("ip").args(["netns", "add", name]).status()?.success(), "ip netns add");
    let outside = format!(
        "link add {name} index {} up type veth peer name eth0 netns {name}\naddress add {HOST}/24 dev {name}\n",
        task.index
    );
    let inside =
        format!("link set lo up\nlink set eth0 up\naddress add {GUEST}/24 dev eth0\nroute add default via {HOST}\n");
    batch(&["-batch", "-"], &outside)?;
    batch(&["-n", name, "-batch", "-"], &inside)
}

fn batch(arguments: &[&str], lines: &str) -> Result<()> {
    let mut child = Command::new("ip").args(arguments).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("piped")?.write_all(lines.as_bytes())?;
    ensure!(child.wait()?.success(), "ip {arguments:?}");
    Ok(())
}

/// The same datagrams without a library: templates in which a few numbers are filled in, and one `recv` for each.
mod floor {
    use super::*;

    /// The bytes of some hexadecimal digits; white space is left out.
    const fn bytes<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
        let (text, mut bytes, mut digits, mut at) = (text.as_bytes(), [0; LENGTH], 0, 0);
        while at < text.len() {
            if text[at] > b' ' {
                let digit = if text[at] < b'a' { text[at] - b'0' } else { text[at] - b'a' + 10 };
                bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
                digits += 1;
            }
            at += 1;
        }
        assert!(digits == 2 * LENGTH);
        bytes
    }

    /// `RTM_NEWLINK` (no acknowledgement), `RTM_NEWADDR`.
    const OUTSIDE: [u8; 104 + 40] = bytes(
        "68000000 1000 0106 01000000 00000000
         00000000 00000000 01000000 01000000
         0d00 0300 6830303030303030 00 000000
         3800 1200
           0800 0100 76657468
           2c00 0200
             2800 0100
             00000000 00000000 00000000 00000000
               0900 0300 6574683000 000000
               0800 1c00 00000000
         28000000 1400 0506 02000000 00000000
         02 18 00 00 00000000
         0800 0200 0a4d0001
         0800 0100 0a4d0001",
    );
    const NAME: usize = 16 + 16 + 4;
    const INDEX: usize = 16 + 4;
    const DESCRIPTOR: usize = 104 - 4;
    const ADDRESS_INDEX: usize = 104 + 16 + 4;

    /// `RTM_GETLINK`.
    const FIND: [u8; 52] = bytes(
        "34000000 1200 0500 01000000 00000000
         00000000 00000000 00000000 00000000
         0900 0300 6574683000 000000
         0800 1d00 08000000",
    );

    /// `RTM_SETLINK` twice, `RTM_NEWADDR`, `RTM_NEWROUTE`; only the last is acknowledged.
    const INSIDE: [u8; 32 + 32 + 40 + 36] = bytes(
        "20000000 1300 0100 02000000 00000000
         00000000 01000000 01000000 01000000
         20000000 1300 0100 03000000 00000000
         00000000 00000000 01000000 01000000
         28000000 1400 0106 04000000 00000000
         02 18 00 00 00000000
         0800 0200 0a4d0002
         0800 0100 0a4d0002
         24000000 1800 0506 05000000 00000000
         02 00 00 00 fe 03 00 01 00000000
         0800 0500 0a4d0001",
    );

    fn outside(task: &Task, there: &File) -> [u8; OUTSIDE.len()] {
        let mut message = OUTSIDE;
        message[NAME..NAME + 8].copy_from_slice(task.name.as_bytes());
        message[INDEX..INDEX + 4].copy_from_slice(&task.index.to_ne_bytes());
        message[DESCRIPTOR..DESCRIPTOR + 4].copy_from_slice(&there.as_raw_fd().to_ne_bytes());
        message[ADDRESS_INDEX..ADDRESS_INDEX + 4].copy_from_slice(&task.index.to_ne_bytes());
        message
    }

    fn inside(index: [u8; 4]) -> [u8; INSIDE.len()] {
        let mut message = INSIDE;
        for at in [32 + INDEX, 64 + INDEX] {
            message[at..at + 4].copy_from_slice(&index);
        }
        message
    }

    pub(crate) fn run(task: &Task) -> Result<()> {
        let mut buffer = [0; BUFFER_BYTES];
        let socket = socket()?;
        leave()?;
        let there = own_namespace()?;
        exchange(&socket, &outside(task, &there), &mut buffer)?;
        let socket = self::socket()?;
        exchange(&socket, &FIND, &mut buffer)?;
        let mut index = [0; 4];
        index.copy_from_slice(&buffer[INDEX..INDEX + 4]);
        // The link came first, its acknowledgement is next.
        receive(&socket, &mut buffer)?;
        exchange(&socket, &inside(index), &mut buffer)
    }

    fn socket() -> Result<OwnedFd> {
        // SAFETY: takes three numbers.
        let number =
            unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
        ensure!(number >= 0, "socket: {}", std::io::Error::last_os_error());
        // SAFETY: it was just made, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }

    fn exchange(socket: &OwnedFd, message: &[u8], buffer: &mut [u8]) -> Result<()> {
        // SAFETY: as many bytes as are said.
        let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
        ensure!(sent > 0, "send: {}", std::io::Error::last_os_error());
        receive(socket, buffer)
    }

    fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<()> {
        // SAFETY: room for as many bytes as are said.
        let got =
            unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
        ensure!(got >= 20, "recv: {}", std::io::Error::last_os_error());
        let is_error = buffer[4..6] == 2_u16.to_ne_bytes() && buffer[16..20] != [0; 4];
        ensure!(!is_error, "refused: {:?}", &buffer[16..20]);
        Ok(())
    }

    /// Holds the templates against what `mini-netlink` writes, but for flags and sequence numbers, which depend on the
    /// place in a batch.
    pub(crate) fn is_the_same() -> Result<()> {
        let task = Task { index: 1234, name: "h7654321".to_owned() };
        let there = own_namespace()?;
        let veth = veth(&there)?;
        let (pair, first, find) = (pair(&task, &veth)?, address(task.index, HOST), GetLink::Named(link_name("eth0")?));
        let (lo, eth0, second) = (set_up(LOOPBACK), set_up(7), address(7, GUEST));
        let datagrams: [(&[u8], &[&dyn wire::Request]); 3] = [
            (&outside(&task, &there), &[&pair, &first]),
            (&FIND, &[&find]),
            (&inside(7_u32.to_ne_bytes()), &[&lo, &eth0, &second, &DEFAULT]),
        ];
        for (template, requests) in datagrams {
            let (mut written, mut buffer) = (Vec::new(), [0; 512]);
            for request in requests {
                let length = wire::encode(*request, 1, &mut buffer).map_err(mini_netlink::Error::from)?;
                written.push(buffer[..length].to_vec());
            }
            let plain = |bytes: &[u8]| [&bytes[..6], &bytes[16..]].concat();
            let mut rest = template;
            for message in written {
                let (this, other) = rest.split_at_checked(message.len()).context("a template is too short")?;
                ensure!(plain(this) == plain(&message), "a template differs:\n{this:02x?}\n{message:02x?}");
                rest = other;
            }
            ensure!(rest.is_empty(), "a template is too long");
        }
        Ok(())
    }
}

/// Into network and mount namespaces of our own, with a place for `ip netns`.
fn alone() -> Result<()> {
    // SAFETY: the call takes a number, and there is no other thread.
    success(unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS) })?;
    for command in ["mount --make-rprivate /", "mkdir -p /run/netns", "mount -t tmpfs netns /run/netns"] {
        ensure!(Command::new("sh").args(["-c", command]).status()?.success(), "{command}");
    }
    Ok(())
}

fn leave() -> Result<()> {
    // SAFETY: as above.
    success(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

fn join(namespace: &File) -> Result<()> {
    // SAFETY: the call takes an open descriptor and a number.
    success(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
}

fn success(result: i32) -> Result<()> {
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().into()) }
}

fn own_namespace() -> Result<File> {
    Ok(File::open("/proc/thread-self/ns/net")?)
}

/// User and system time of this process and of its children that have ended.
fn cpu_time() -> Duration {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN]
        .into_iter()
        .map(|who| {
            // SAFETY: zeros are a valid value, and the kernel fills it in.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: room for one `struct rusage`.
            unsafe { libc::getrusage(who, &mut usage) };
            [usage.ru_utime, usage.ru_stime]
                .into_iter()
                .map(|time| {
                    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
                })
                .sum::<Duration>()
        })
        .sum()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
