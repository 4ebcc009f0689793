//! The demonstration image: unmodified Debian server software in containers that know nothing of pidone.
//!
//! - onboot `sysctl` sets kernel parameters, `facts` prints what the machine looks like;
//! - onboot `redis-network` and `web-network` each make a network namespace with one end of a veth pair in it, and leave it
//!   at a path below `/run/netns`;
//! - the services `redis` and `web` join these; the service `client` takes the other ends into its own namespace, talks to
//!   both servers and then asks PID 1 to power off;
//! - onshutdown `farewell` runs when the services have ended.

use anyhow::Result;
use serde_json::json;

use crate::container::Container;
use crate::debian;
use crate::image::Image;
use crate::root::{Root, add_busybox};

/// What the client says when everything answered as it should.
pub const SUCCESS: &str = "client: everything answered";

/// What the kernel is told: containers speak on the console, and should every service fail, the machine still ends.
pub const OPTIONS: &str = "loglevel=6 pidone.log=debug pidone.output=console pidone.timing pidone.idle=poweroff";

/// The image.
pub fn image() -> Result<Image> {
    let (busybox, redis, web, client) = (Root::busybox()?, redis_root()?, web_root()?, client_root()?);
    let image = Image::new()?
        .file("etc/hostname", 0o644, "demo\n")
        .onboot(sysctl().root(&busybox))
        .onboot(facts().root(&busybox))
        .onboot(network("redis-network", "redis0", "/run/netns/redis", "10.0.1.2/24").root(&busybox))
        .onboot(network("web-network", "web0", "/run/netns/web", "10.0.2.2/24").root(&busybox))
        .service(redis_server().root(&redis))
        .service(web_server().root(&web))
        .service(client_script().root(&client))
        .onshutdown(Container::shell("farewell", "echo farewell: the services have ended").root(&busybox));
    Ok(image)
}

fn sysctl() -> Container {
    let script = "sysctl -w net.ipv4.ip_unprivileged_port_start=1024 vm.overcommit_memory=1";
    Container::shell("sysctl", script).read_only().pid_host().capabilities(&["CAP_SYS_ADMIN", "CAP_NET_ADMIN"])
}

fn facts() -> Container {
    let script = "echo \"facts: $(uname -sr) on $(hostname)\" && grep -E '^(MemTotal|MemAvailable)' /proc/meminfo | sed 's/^/facts: /'\n\
        echo \"facts: controllers $(cat /sys/fs/cgroup/cgroup.controllers)\"";
    Container::shell("facts", script).read_only()
}

/// Makes a namespace that outlives it: `eth0` inside, its peer in the machine's own namespace.
fn network(name: &str, peer: &str, path: &str, address: &str) -> Container {
    let script = format!(
        "ip link set lo up && ip address add {address} dev eth0 && ip link set eth0 up && echo {name}: {address}"
    );
    Container::shell(name, &script).read_only().net_new().capabilities(&["CAP_NET_ADMIN"]).runtime(json!({
        "interfaces": [{ "name": "eth0", "add": "veth", "peer": peer }],
        "bindNS": { "net": path },
    }))
}

fn redis_server() -> Container {
    let options = ["--daemonize", "no", "--bind", "0.0.0.0", "--protected-mode", "no", "--logfile", ""];
    Container::new("redis")
        .args(["redis-server", "/etc/redis/redis.conf"].into_iter().chain(options))
        .user(REDIS, REDIS)
        .net_path("/run/netns/redis")
        .tmpfs("/run:mode=755,nosuid,nodev")
}

fn web_server() -> Container {
    Container::new("web")
        .args(["nginx", "-g", "daemon off;"])
        .net_path("/run/netns/web")
        .tmpfs("/run:mode=755,nosuid,nodev")
        .capabilities(&["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"])
}

/// Sees the machine's processes, so that it can ask PID 1 to power off.
fn client_script() -> Container {
    let script = r#"
        die() { echo "client: $1 failed"; poweroff; exit 1; }
        # What must become true, within a minute.
        wait_until() {
            for attempt in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
            die "$*"
        }
        ip link set lo up
        ip address add 10.0.1.1/24 dev redis0 && ip link set redis0 up || die redis0
        ip address add 10.0.2.1/24 dev web0 && ip link set web0 up || die web0
        wait_until ping -c 1 -W 1 10.0.1.2
        wait_until ping -c 1 -W 1 10.0.2.2
        ping -c 1 10.0.1.2 | sed -n 's/^64 bytes/client: 64 bytes/p'
        wait_until redis-cli -h 10.0.1.2 PING
        echo "client: redis PING: $(redis-cli -h 10.0.1.2 PING)"
        echo "client: redis SET: $(redis-cli -h 10.0.1.2 SET greeting 'hello & <welcome>')"
        answer=$(redis-cli -h 10.0.1.2 GET greeting)
        echo "client: redis GET: $answer"
        [ "$answer" = 'hello & <welcome>' ] || die GET
        wait_until curl -sf http://10.0.2.2/
        echo "client: nginx: $(curl -sI http://10.0.2.2/ | tr -d '\r' | grep -E '^(HTTP|Server)' | paste -sd ' ')"
        curl -sf http://10.0.2.2/ | grep -q 'Welcome to nginx' || die curl
        echo "client: everything answered"
        poweroff
    "#;
    Container::shell("client", script)
        .net_new()
        .pid_host()
        .capabilities(&["CAP_KILL", "CAP_NET_ADMIN", "CAP_NET_RAW"])
        .runtime(json!({ "interfaces": [{ "name": "redis0" }, { "name": "web0" }] }))
}

/// What the packages' maintainer scripts would have chosen.
const REDIS: u32 = 101;
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
    redis:x:101:101::/var/lib/redis:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nwww-data:x:33:\nredis:x:101:\nnogroup:x:65534:\n";

/// `redis-server`, with the folders and owners that its maintainer script sees to.
pub fn redis_root() -> Result<Root> {
    let mut tree = debian::tree(&["redis-server"])?;
    tree.file("etc/passwd", 0o644, PASSWD).file("etc/group", 0o644, GROUP);
    tree.owner("etc/redis", REDIS, REDIS).owner("etc/redis/redis.conf", REDIS, REDIS);
    for path in ["var/lib/redis", "var/log/redis"] {
        tree.directory(path, 0o750).owner(path, REDIS, REDIS);
    }
    Ok(Root::new(tree))
}

/// `nginx-light`, with the site its maintainer script enables.
pub fn web_root() -> Result<Root> {
    let mut tree = debian::tree(&["nginx-light"])?;
    tree.file("etc/passwd", 0o644, PASSWD).file("etc/group", 0o644, GROUP);
    tree.symlink("etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default");
    let page = tree.text("usr/share/nginx/html/index.html")?;
    tree.file("var/www/html/index.nginx-debian.html", 0o644, page);
    Ok(Root::new(tree))
}

/// `redis-cli` and `curl`, with busybox for the shell around them.
pub fn client_root() -> Result<Root> {
    let mut tree = debian::tree(&["redis-tools", "curl"])?;
    tree.file("etc/passwd", 0o644, PASSWD).file("etc/group", 0o644, GROUP);
    add_busybox(&mut tree)?;
    Ok(Root::new(tree))
}
