//! One container of an image: its root and its two configuration files, as LinuxKit's builder writes them.
//!
//! The builder's defaults hold: new mount and pid namespaces, the machine's own network, ipc and uts, no capabilities,
//! five default mounts, and a `runtime.json` in which every field is there, empty or not. What the methods do not
//! offer, [`Container::edit_config`] does; broken files are given as text.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use crate::root::Root;

mod written;

/// All capabilities by number, CAP_CHOWN to CAP_CHECKPOINT_RESTORE.
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The second serial line in a guest.
pub const REPORT: &str = "/dev/ttyS1";

/// Which builder the bundle looks like it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// 2017: `lower/` or `rootfs/`, and the init decides what to mount; `runtime.json` only where there is something in it.
    Seed,
    /// 2018 and later: `runtime.json` says what to mount where.
    Current,
}

/// A container to be put into an image.
#[derive(Clone)]
pub struct Container {
    pub(crate) name: String,
    pub(crate) root: Option<Root>,
    pub(crate) generation: Generation,
    args: Vec<String>,
    env: Vec<String>,
    cwd: String,
    uid: u32,
    gid: u32,
    additional_gids: Vec<u32>,
    capabilities: Vec<String>,
    ambient: Vec<String>,
    rlimits: Vec<Value>,
    no_new_privileges: bool,
    oom_score_adj: Option<i32>,
    read_only: bool,
    hostname: String,
    mounts: BTreeMap<String, Value>,
    annotations: BTreeMap<String, String>,
    sysctl: BTreeMap<String, String>,
    resources: Value,
    cgroups_path: String,
    namespaces: Namespaces,
    user_mappings: Option<(Value, Value)>,
    devices: Vec<Value>,
    rootfs_propagation: String,
    masked_paths: Vec<String>,
    readonly_paths: Vec<String>,
    runtime: Map<String, Value>,
    config_edits: Vec<Edit>,
    raw_config: Option<Vec<u8>>,
    raw_runtime: Option<Vec<u8>>,
}

type Edit = Rc<dyn Fn(&mut Value)>;

/// `None`: the machine's own. `Some("")`: a new one. Otherwise: joined by that path.
#[derive(Clone, Default)]
struct Namespaces {
    net: Option<String>,
    ipc: Option<String>,
    uts: Option<String>,
    pid: Option<String>,
    user: Option<String>,
    cgroup: Option<String>,
    time: Option<String>,
}

impl Container {
    /// A container with the builder's defaults, on [`Root::probe`] unless it is given another root.
    pub fn new(name: &str) -> Container {
        Container {
            name: name.into(),
            root: None,
            generation: Generation::Current,
            args: Vec::new(),
            env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()],
            cwd: "/".into(),
            uid: 0,
            gid: 0,
            additional_gids: Vec::new(),
            capabilities: Vec::new(),
            ambient: Vec::new(),
            rlimits: Vec::new(),
            no_new_privileges: false,
            oom_score_adj: None,
            read_only: false,
            hostname: String::new(),
            mounts: BTreeMap::new(),
            annotations: BTreeMap::new(),
            sysctl: BTreeMap::new(),
            resources: json!({}),
            cgroups_path: String::new(),
            namespaces: Namespaces { pid: Some(String::new()), ..Namespaces::default() },
            user_mappings: None,
            devices: Vec::new(),
            rootfs_propagation: String::new(),
            masked_paths: Vec::new(),
            readonly_paths: Vec::new(),
            runtime: Map::new(),
            config_edits: Vec::new(),
            raw_config: None,
            raw_runtime: None,
        }
    }

    /// A container that runs a shell script.
    pub fn shell(name: &str, script: &str) -> Container {
        Container::new(name).args(["/bin/sh", "-c", script])
    }

    /// A container that runs the probe, which reports on the second serial line; the words are split at white space.
    pub fn probe(name: &str, words: &str) -> Container {
        let args = ["/bin/probe", "--to", REPORT].into_iter().chain(words.split_whitespace());
        Container::new(name).args(args).with_report()
    }

    /// Gives the container the second serial line. On the console, messages of the kernel may break any line in two.
    pub fn with_report(self) -> Container {
        let rule = json!({ "allow": true, "type": "c", "major": 4, "minor": 65, "access": "rw" });
        self.bind(&format!("{REPORT}:{REPORT}")).device_rule(rule)
    }

    /// The root file system.
    pub fn root(mut self, root: &Root) -> Container {
        self.root = Some(root.clone());
        self
    }

    /// The generation of the bundle.
    pub fn generation(mut self, generation: Generation) -> Container {
        self.generation = generation;
        self
    }

    /// The command.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Container {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// One more environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Container {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// The working directory.
    pub fn cwd(mut self, cwd: &str) -> Container {
        self.cwd = cwd.into();
        self
    }

    /// The user and group.
    pub fn user(mut self, uid: u32, gid: u32) -> Container {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// Additional groups.
    pub fn additional_gids(mut self, gids: &[u32]) -> Container {
        self.additional_gids = gids.to_vec();
        self
    }

    /// Capabilities, as `CAP_NAME`: in all sets but the ambient one.
    pub fn capabilities(mut self, names: &[&str]) -> Container {
        self.capabilities = names.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Every capability.
    pub fn capability_all(self) -> Container {
        self.capabilities(&CAPABILITIES)
    }

    /// Ambient capabilities.
    pub fn ambient(mut self, names: &[&str]) -> Container {
        self.ambient = names.iter().map(|name| (*name).into()).collect();
        self
    }

    /// A resource limit, as `RLIMIT_NAME`.
    pub fn rlimit(mut self, name: &str, soft: u64, hard: u64) -> Container {
        self.rlimits.push(json!({ "type": name, "hard": hard, "soft": soft }));
        self
    }

    /// Execution gives no privileges.
    pub fn no_new_privileges(mut self) -> Container {
        self.no_new_privileges = true;
        self
    }

    /// What the kernel thinks of killing it when memory is short.
    pub fn oom_score_adj(mut self, score: i32) -> Container {
        self.oom_score_adj = Some(score);
        self
    }

    /// The root file system cannot be written to.
    pub fn read_only(mut self) -> Container {
        self.read_only = true;
        self
    }

    /// The host name; it wants a uts namespace of its own.
    pub fn hostname(mut self, hostname: &str) -> Container {
        self.hostname = hostname.into();
        self
    }

    /// A bind mount, `source:destination` or `source:destination:options`, as in LinuxKit's YAML.
    pub fn bind(self, bind: &str) -> Container {
        let mut parts = bind.splitn(3, ':');
        let (source, destination) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let options: Vec<&str> = match parts.next() {
            Some(options) => options.split(',').chain(["rbind"]).collect(),
            None => vec!["rw", "rbind", "rshared"],
        };
        self.mount(json!({ "destination": destination, "type": "bind", "source": source, "options": options }))
    }

    /// A tmpfs, `destination` or `destination:options`.
    pub fn tmpfs(self, tmpfs: &str) -> Container {
        let (destination, options) =
            tmpfs.split_once(':').map_or((tmpfs, None), |(path, options)| (path, Some(options)));
        let mut mount = json!({ "destination": destination, "type": "tmpfs", "source": "tmpfs" });
        if let Some(options) = options {
            mount["options"] = options.split(',').collect();
        }
        self.mount(mount)
    }

    /// Any mount, in the form of the OCI specification; it replaces one that has the same destination.
    pub fn mount(mut self, mount: Value) -> Container {
        self.mounts.insert(mount["destination"].as_str().unwrap_or_default().into(), mount);
        self
    }

    /// An annotation.
    pub fn annotation(mut self, key: &str, value: &str) -> Container {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// A kernel parameter.
    pub fn sysctl(mut self, key: &str, value: &str) -> Container {
        self.sysctl.insert(key.into(), value.into());
        self
    }

    /// Resources, in the form of the OCI specification.
    pub fn resources(mut self, resources: Value) -> Container {
        self.resources = resources;
        self
    }

    /// The path of its cgroup.
    pub fn cgroups_path(mut self, path: &str) -> Container {
        self.cgroups_path = path.into();
        self
    }

    /// A new network namespace.
    pub fn net_new(self) -> Container {
        self.net_path("")
    }

    /// The network namespace at a path.
    pub fn net_path(mut self, path: &str) -> Container {
        self.namespaces.net = Some(path.into());
        self
    }

    /// A new ipc namespace.
    pub fn ipc_new(self) -> Container {
        self.ipc_path("")
    }

    /// The ipc namespace at a path.
    pub fn ipc_path(mut self, path: &str) -> Container {
        self.namespaces.ipc = Some(path.into());
        self
    }

    /// A new uts namespace.
    pub fn uts_new(self) -> Container {
        self.uts_path("")
    }

    /// The uts namespace at a path.
    pub fn uts_path(mut self, path: &str) -> Container {
        self.namespaces.uts = Some(path.into());
        self
    }

    /// The machine's own pid namespace.
    pub fn pid_host(mut self) -> Container {
        self.namespaces.pid = None;
        self
    }

    /// The pid namespace at a path.
    pub fn pid_path(mut self, path: &str) -> Container {
        self.namespaces.pid = Some(path.into());
        self
    }

    /// A new cgroup namespace, as the newest builders make for every container.
    pub fn cgroup_new(self) -> Container {
        self.cgroup_path("")
    }

    /// The cgroup namespace at a path.
    pub fn cgroup_path(mut self, path: &str) -> Container {
        self.namespaces.cgroup = Some(path.into());
        self
    }

    /// A new time namespace.
    pub fn time_new(mut self) -> Container {
        self.namespaces.time = Some(String::new());
        self
    }

    /// A new user namespace with one range each, `(inside, outside, size)`.
    pub fn user_new(mut self, uids: (u32, u32, u32), gids: (u32, u32, u32)) -> Container {
        let mapping = |(inside, outside, size)| json!([{ "containerID": inside, "hostID": outside, "size": size }]);
        self.namespaces.user = Some(String::new());
        self.user_mappings = Some((mapping(uids), mapping(gids)));
        self
    }

    /// The user namespace at a path.
    pub fn user_path(mut self, path: &str) -> Container {
        self.namespaces.user = Some(path.into());
        self
    }

    /// A device node, with the rule that lets it be used.
    pub fn device(mut self, path: &str, kind: &str, major: i64, minor: i64, mode: u32) -> Container {
        self.devices.push(json!({ "path": path, "type": kind, "major": major, "minor": minor, "fileMode": mode }));
        let rule = json!({ "allow": true, "type": kind, "major": major, "minor": minor, "access": "rwm" });
        self.device_rule(rule)
    }

    /// `path: all` of LinuxKit's YAML: every device of a type may be used.
    pub fn device_all(self, kind: &str) -> Container {
        self.device_rule(json!({ "allow": true, "type": kind, "access": "rwm" }))
    }

    fn device_rule(mut self, rule: Value) -> Container {
        match self.resources["devices"].as_array_mut() {
            Some(rules) => rules.push(rule),
            None => self.resources["devices"] = json!([rule]),
        }
        self
    }

    /// The propagation of the root mount.
    pub fn rootfs_propagation(mut self, propagation: &str) -> Container {
        self.rootfs_propagation = propagation.into();
        self
    }

    /// A path that is covered.
    pub fn masked_path(mut self, path: &str) -> Container {
        self.masked_paths.push(path.into());
        self
    }

    /// A path that cannot be written to.
    pub fn readonly_path(mut self, path: &str) -> Container {
        self.readonly_paths.push(path.into());
        self
    }

    /// Fields of `runtime.json`, over those given before: `cgroups`, `mounts`, `mkdir`, `interfaces`, `bindNS`, `namespace`.
    pub fn runtime(mut self, fields: Value) -> Container {
        if let Value::Object(fields) = fields {
            self.runtime.extend(fields);
        }
        self
    }

    /// Changes the finished `config.json`: for what the builder itself never writes.
    pub fn edit_config(mut self, edit: impl Fn(&mut Value) + 'static) -> Container {
        self.config_edits.push(Rc::new(edit));
        self
    }

    /// The bytes of `config.json`, whatever they are.
    pub fn raw_config(mut self, bytes: impl Into<Vec<u8>>) -> Container {
        self.raw_config = Some(bytes.into());
        self
    }

    /// The bytes of `runtime.json`, whatever they are.
    pub fn raw_runtime(mut self, bytes: impl Into<Vec<u8>>) -> Container {
        self.raw_runtime = Some(bytes.into());
        self
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }
}
