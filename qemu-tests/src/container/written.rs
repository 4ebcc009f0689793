//! What is written of a container: `config.json` and `runtime.json`, byte for byte as LinuxKit's builder does.

use std::collections::BTreeMap;

use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Value, json};

use super::{Container, Generation, Namespaces};

/// Destination, type, source, options.
const DEFAULT_MOUNTS: [(&str, &str, &str, &str); 5] = [
    ("/proc", "proc", "proc", "nosuid,nodev,noexec,relatime"),
    ("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
    ("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"),
    ("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev"),
    ("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
];

impl Container {
    /// The bytes of `config.json`.
    pub fn config_json(&self) -> Vec<u8> {
        if let Some(bytes) = &self.raw_config {
            return bytes.clone();
        }
        let mut config = self.config();
        for edit in &self.config_edits {
            edit(&mut config);
        }
        go_json(&config)
    }

    /// The bytes of `runtime.json`, with the builder's mounts for the root before the container's own.
    pub(crate) fn runtime_json(&self, root_mounts: Vec<Value>) -> Option<Vec<u8>> {
        if let Some(bytes) = &self.raw_runtime {
            return Some(bytes.clone());
        }
        if self.generation == Generation::Seed {
            return (!self.runtime.is_empty()).then(|| go_json(&Value::Object(self.runtime.clone())));
        }
        let given = |field: &str, otherwise: Value| self.runtime.get(field).cloned().unwrap_or(otherwise);
        let mut mounts = root_mounts;
        mounts.extend(given("mounts", json!([])).as_array().into_iter().flatten().cloned());
        let mut interfaces = given("interfaces", json!([]));
        for interface in interfaces.as_array_mut().into_iter().flatten() {
            if let Value::Object(interface) = interface {
                interface.entry("createInRoot").or_insert(json!(false));
            }
        }
        let mut names = json!({ "cgroup": "", "ipc": "", "mnt": "", "net": "", "pid": "", "user": "", "uts": "" });
        for (name, path) in given("bindNS", json!({})).as_object().into_iter().flatten() {
            names[name] = path.clone();
        }
        Some(go_json(&json!({
            "cgroups": given("cgroups", json!([])),
            "mounts": mounts,
            "mkdir": given("mkdir", json!([])),
            "interfaces": interfaces,
            "bindNS": names,
            "namespace": given("namespace", json!("")),
        })))
    }

    fn config(&self) -> Value {
        let mut user = json!({ "uid": self.uid, "gid": self.gid });
        put(&mut user, "additionalGids", json!(self.additional_gids));
        let mut process = json!({ "user": user, "args": self.args });
        put(&mut process, "env", json!(self.env));
        process["cwd"] = json!(self.cwd);
        process["capabilities"] = self.capability_sets();
        put(&mut process, "rlimits", json!(self.rlimits));
        put(&mut process, "noNewPrivileges", json!(self.no_new_privileges));
        put(&mut process, "oomScoreAdj", json!(self.oom_score_adj));

        let mut root = json!({ "path": "rootfs" });
        put(&mut root, "readonly", json!(self.read_only));
        let mut config = json!({ "ociVersion": "1.2.0", "process": process, "root": root });
        put(&mut config, "hostname", json!(self.hostname));
        config["mounts"] = self.mount_list();
        put(&mut config, "annotations", json!(self.annotations));
        config["linux"] = self.linux();
        config
    }

    fn linux(&self) -> Value {
        let mut linux = json!({});
        if let Some((uids, gids)) = &self.user_mappings {
            linux["uidMappings"] = uids.clone();
            linux["gidMappings"] = gids.clone();
        }
        put(&mut linux, "sysctl", json!(self.sysctl));
        linux["resources"] = self.resources.clone();
        put(&mut linux, "cgroupsPath", json!(self.cgroups_path));
        linux["namespaces"] = self.namespaces.list();
        put(&mut linux, "devices", json!(self.devices));
        put(&mut linux, "rootfsPropagation", json!(self.rootfs_propagation));
        put(&mut linux, "maskedPaths", json!(self.masked_paths));
        put(&mut linux, "readonlyPaths", json!(self.readonly_paths));
        linux
    }

    /// The effective set as it was given, the others sorted and with the ambient ones.
    fn capability_sets(&self) -> Value {
        let mut bounding: Vec<&String> = self.capabilities.iter().chain(&self.ambient).collect();
        bounding.sort();
        bounding.dedup();
        let mut sets = json!({});
        put(&mut sets, "bounding", json!(bounding));
        put(&mut sets, "effective", json!(self.capabilities));
        put(&mut sets, "inheritable", json!(bounding));
        put(&mut sets, "permitted", json!(bounding));
        put(&mut sets, "ambient", json!(self.ambient));
        sets
    }

    /// The default mounts and its own, by destination.
    fn mount_list(&self) -> Value {
        let mut mounts = BTreeMap::new();
        for (destination, kind, source, options) in DEFAULT_MOUNTS {
            let mut options: Vec<&str> = options.split(',').collect();
            if self.read_only && matches!(destination, "/dev" | "/sys") {
                options.push("ro");
            }
            let mount = json!({ "destination": destination, "type": kind, "source": source, "options": options });
            mounts.insert(destination.to_owned(), mount);
        }
        mounts.extend(self.mounts.clone());
        mounts.into_values().collect()
    }
}

impl Namespaces {
    fn list(&self) -> Value {
        let always = Some(String::new());
        let all = [
            ("network", &self.net),
            ("ipc", &self.ipc),
            ("uts", &self.uts),
            ("pid", &self.pid),
            ("user", &self.user),
            ("mount", &always),
            ("cgroup", &self.cgroup),
            ("time", &self.time),
        ];
        let asked = all.into_iter().filter_map(|(kind, path)| Some((kind, path.as_ref()?)));
        let entry = |(kind, path): (&str, &String)| {
            let mut namespace = json!({ "type": kind });
            put(&mut namespace, "path", json!(path));
            namespace
        };
        asked.map(entry).collect()
    }
}

/// Go's `omitempty`.
fn put(object: &mut Value, field: &str, value: Value) {
    let empty = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if !empty {
        object[field] = value;
    }
}

/// JSON as Go's `json.MarshalIndent(value, "", "    ")` writes it: `&`, `<`, `>` and two line separators are escaped, which can
/// only occur inside strings.
fn go_json(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    serde::Serialize::serialize(value, &mut serializer).expect("a value in memory is always written");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    let escapes =
        [("&", r"\u0026"), ("<", r"\u003c"), (">", r"\u003e"), ("\u{2028}", r"\u2028"), ("\u{2029}", r"\u2029")];
    escapes.into_iter().fold(text, |text, (plain, escaped)| text.replace(plain, escaped)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_what_the_builder_writes() {
        let container =
            Container::shell("x", "a && b <c").read_only().net_new().bind("/a:/dev/a").capabilities(&["CAP_KILL"]);
        let text = String::from_utf8(container.config_json()).unwrap();
        assert!(text.contains(r#""a \u0026\u0026 b \u003cc""#), "{text}");
        let config: Value = serde_json::from_str(&text).unwrap();
        let destinations: Vec<_> =
            config["mounts"].as_array().unwrap().iter().map(|mount| &mount["destination"]).collect();
        assert_eq!(destinations, ["/dev", "/dev/a", "/dev/pts", "/proc", "/sys", "/sys/fs/cgroup"]);
        assert_eq!(config["linux"]["namespaces"], json!([{"type": "network"}, {"type": "pid"}, {"type": "mount"}]));
        assert_eq!(config["mounts"][1]["options"], json!(["rw", "rbind", "rshared"]));
        assert_eq!(config["root"], json!({"path": "rootfs", "readonly": true}));
        assert!(config["process"].get("rlimits").is_none());
    }

    #[test]
    fn runtime_fields_are_all_there_and_a_seed_has_only_its_own() {
        let container =
            Container::new("x").runtime(json!({ "interfaces": [{ "name": "eth0" }], "bindNS": { "net": "/n" } }));
        let runtime: Value = serde_json::from_slice(&container.runtime_json(vec![json!({})]).unwrap()).unwrap();
        assert_eq!(runtime["interfaces"], json!([{ "name": "eth0", "createInRoot": false }]));
        assert_eq!((&runtime["bindNS"]["net"], &runtime["bindNS"]["uts"]), (&json!("/n"), &json!("")));
        assert_eq!(runtime["mounts"].as_array().unwrap().len(), 1);
        let seed = container.generation(Generation::Seed);
        let runtime: Value = serde_json::from_slice(&seed.runtime_json(Vec::new()).unwrap()).unwrap();
        assert!(runtime.get("mounts").is_none());
        assert!(Container::new("y").generation(Generation::Seed).runtime_json(Vec::new()).is_none());
    }
}
