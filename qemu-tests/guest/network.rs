//! What a process reaches over the network.

use std::ffi::CStr;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::ptr;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket_with};

use crate::Report;

/// The other side may be on its way up.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// `link=NAME up=.. mac=..` for each link, then `address=NAME ADDRESS/PREFIX` for each address.
pub(crate) fn links(report: &mut Report) {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: `first` is where the call may put its list; nothing is read unless it says that it did.
    if unsafe { libc::getifaddrs(&mut first) } != 0 {
        return report.say("links.error", crate::error_name(&io::Error::last_os_error()));
    }
    let mut addresses = Vec::new();
    let mut next = first;
    // SAFETY: the list's entries stay valid and unchanged until freeifaddrs below, and `next` is null at its end.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: every entry has a name that ends in NUL.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        // SAFETY: the addresses of an entry are null or valid as long as the entry.
        let (address, mask) = unsafe { (entry.ifa_addr.as_ref(), entry.ifa_netmask.as_ref()) };
        let up = entry.ifa_flags & libc::IFF_UP as u32 != 0;
        match address.map(|address| i32::from(address.sa_family)) {
            Some(libc::AF_PACKET) => {
                // SAFETY: the family says that this is a link-layer address, and getifaddrs gives it its full size.
                let link = unsafe { &*entry.ifa_addr.cast::<libc::sockaddr_ll>() };
                let bytes: Vec<String> = link.sll_addr.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
                report.say("link", format_args!("{name} up={} mac={}", u8::from(up), bytes.join(":")));
            }
            Some(libc::AF_INET | libc::AF_INET6) => {
                let (Some(address), Some(mask)) = (address, mask) else { continue };
                if let (Some(address), Some(mask)) = (ip_address(address), ip_address(mask)) {
                    addresses.push(format!("{name} {address}/{}", ones(mask)));
                }
            }
            _ => {}
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs, and nothing of it is used from here on.
    unsafe { libc::freeifaddrs(first) };
    for address in addresses {
        report.say("address", address);
    }
}

fn ip_address(address: &libc::sockaddr) -> Option<IpAddr> {
    let pointer: *const libc::sockaddr = address;
    match i32::from(address.sa_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is an IPv4 address of full size.
            let address = unsafe { &*pointer.cast::<libc::sockaddr_in>() };
            Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that this is an IPv6 address of full size.
            let address = unsafe { &*pointer.cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

fn ones(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => u32::from(mask).count_ones(),
        IpAddr::V6(mask) => u128::from(mask).count_ones(),
    }
}

/// Greets everybody who connects, for ever.
pub(crate) fn tcp_serve(port: &str, report: &mut Report) {
    let listener =
        match TcpListener::bind(format!("[::]:{port}")).or_else(|_| TcpListener::bind(format!("0.0.0.0:{port}"))) {
            Ok(listener) => listener,
            Err(error) => return report.say("tcp-serve", crate::error_name(&error)),
        };
    report.say("tcp-serve", port);
    report.flush();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    for mut stream in listener.incoming().flatten() {
        let peer = stream.peer_addr().map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default();
        let _ = stream.write_all(format!("hello {peer} from {}\n", name.trim()).as_bytes());
        report.say("tcp-served", peer);
        report.flush();
    }
}

/// `tcp-get=FIRST LINE`, trying until the other side is there.
pub(crate) fn tcp_get(address: &str, report: &mut Report) {
    let end = Instant::now() + PATIENCE;
    loop {
        match get(address) {
            Ok(text) => return report.say("tcp-get", text.lines().next().unwrap_or_default()),
            Err(error) if Instant::now() > end => return report.say("tcp-get.error", crate::error_name(&error)),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn get(address: &str) -> io::Result<String> {
    let address: SocketAddr = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// `ping=HOST ok`, trying until there is an answer. Wants CAP_NET_RAW.
pub(crate) fn ping(host: &str, report: &mut Report) {
    let Ok(address) = host.parse::<Ipv4Addr>() else { return report.say("ping.error", "not an IPv4 address") };
    let end = Instant::now() + PATIENCE;
    loop {
        let result = echo(address);
        if result.is_ok() || Instant::now() > end {
            return report.outcome("ping", host, result);
        }
        std::thread::sleep(PAUSE);
    }
}

fn echo(address: Ipv4Addr) -> io::Result<()> {
    let raw =
        socket_with(AddressFamily::INET, SocketType::RAW, rustix::net::SocketFlags::CLOEXEC, Some(ipproto::ICMP))?;
    rustix::net::sockopt::set_socket_timeout(&raw, rustix::net::sockopt::Timeout::Recv, Some(Duration::from_secs(1)))?;
    // Type 8, code 0, checksum, identifier, sequence number.
    let mut request = [8, 0, 0, 0, 0x70, 0x31, 0, 1];
    let checksum = !request.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>() as u16;
    request[2..4].copy_from_slice(&checksum.to_be_bytes());
    sendto(&raw, &request, SendFlags::empty(), &SocketAddr::new(address.into(), 0))?;
    let mut packet = [0; 128];
    loop {
        let (length, _) = recv(&raw, &mut packet, RecvFlags::empty())?;
        // The answer stands behind the IP header, whose size in words is in its first byte.
        let start = usize::from(packet[0] & 15) * 4;
        let answer = packet.get(start..length.min(packet.len())).unwrap_or_default();
        let source = &packet[12..16];
        if answer.first() == Some(&0) && answer.get(4..8) == Some(&request[4..8]) && source == address.octets() {
            return Ok(());
        }
    }
}
