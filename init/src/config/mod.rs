//! Bytes to `Spec`: pure functions over text.
//!
//! To add a field: a line in [`spec`], one in `schema`, a decision in `plan`. Then where a failure is: [`place`].

pub mod cmdline;
pub mod place;
pub mod spec;

mod read;
mod scan;
mod schema;

use crate::arena::Arena;
use crate::error::{Error, Result};
use crate::limits;

use spec::{Runtime, Spec};

/// Reads a config.json. All that the result holds is in the arena; the text may go.
///
/// # Errors
/// The text is too large, malformed, or asks for what pidone cannot do; or the arena is full, and then holds garbage.
pub fn parse_config<'a>(text: &[u8], arena: &mut Arena<'a>) -> Result<(Spec<'a>, Warnings)> {
    const DOING: &str = "read config.json";
    if text.len() > limits::CONFIG_BYTES_MAX {
        return Err(Error::limit(DOING, "bytes", text.len(), limits::CONFIG_BYTES_MAX));
    }
    let mut spec = Spec::default();
    let warnings = read::read(text, arena, DOING, &mut spec)?;
    Ok((spec, warnings))
}

/// Reads a runtime.json. All that the result holds is in the arena; the text may go.
///
/// # Errors
/// As [`parse_config`].
pub fn parse_runtime<'a>(text: &[u8], arena: &mut Arena<'a>) -> Result<Runtime<'a>> {
    const DOING: &str = "read runtime.json";
    if text.len() > limits::RUNTIME_BYTES_MAX {
        return Err(Error::limit(DOING, "bytes", text.len(), limits::RUNTIME_BYTES_MAX));
    }
    let mut runtime = Runtime::default();
    read::read(text, arena, DOING, &mut runtime)?;
    Ok(runtime)
}

/// What was odd in a text but does not keep it from being used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Warnings {
    first: [Warning; limits::WARNINGS_MAX],
    count: usize,
}

/// One oddity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warning {
    /// Byte offset in the text: [`place`] tells where that is.
    pub at: u32,
    /// What is odd.
    pub problem: &'static str,
}

impl Warnings {
    /// The first ones.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.first.iter().take(self.count)
    }

    /// How many more there were.
    pub fn more(&self) -> usize {
        self.count.saturating_sub(self.first.len())
    }

    fn add(&mut self, warning: Warning) {
        if let Some(free) = self.first.get_mut(self.count) {
            *free = warning;
        }
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::namespace::Namespace;
    use crate::text::Line;

    fn line_of(file: &str, text: &[u8], error: &Error) -> String {
        let mut buffer = [0; limits::LOG_LINE_BYTES];
        let mut line = Line::new(&mut buffer);
        place::print_error(&mut line, file, text, error);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    /// Parses a config.json: a value of the result as text, or the whole line of the error.
    fn config<T>(text: &[u8], look: impl FnOnce(&Spec, &Warnings) -> T) -> core::result::Result<T, String> {
        let mut region = vec![0; limits::ARENA_BYTES];
        let mut arena = Arena::new(&mut region);
        match parse_config(text, &mut arena) {
            Ok((spec, warnings)) => Ok(look(&spec, &warnings)),
            Err(error) => Err(line_of("config.json", text, &error)),
        }
    }

    fn runtime<T>(text: &[u8], look: impl FnOnce(&Runtime) -> T) -> core::result::Result<T, String> {
        let mut region = vec![0; limits::ARENA_BYTES];
        let mut arena = Arena::new(&mut region);
        match parse_runtime(text, &mut arena) {
            Ok(runtime) => Ok(look(&runtime)),
            Err(error) => Err(line_of("runtime.json", text, &error)),
        }
    }

    const SERVICE: &[u8] = include_bytes!("samples/linuxkit-service.config.json");
    const SERVICE_RUNTIME: &[u8] = include_bytes!("samples/linuxkit-service.runtime.json");

    #[test]
    fn a_service_of_linuxkits_builder_is_read_completely() {
        config(SERVICE, |spec, warnings| {
            assert_eq!(warnings.iter().count(), 0);
            assert_eq!(spec.oci_version, Some(c"1.2.0"));
            assert_eq!(spec.hostname, Some(c"web"));
            let root = spec.root.unwrap();
            assert_eq!((root.path, root.readonly), (Some(c"rootfs"), false));
            let process = spec.process.unwrap();
            assert_eq!(process.args.len(), 3);
            assert_eq!(process.args[2], c"daemon off; error_log stderr <info> & more;");
            assert_eq!(process.env[1..], [c"OPTIONS=a=1&b=<2>", c"GREETING=grüß \"dich\" \\ 😀"]);
            assert_eq!(process.cwd, Some(c"/var/www"));
            assert_eq!((process.user.uid, process.user.gid, process.user.umask), (101, 101, None));
            assert_eq!(process.user.additional_gids, [5, 1000]);
            let capabilities = process.capabilities.unwrap();
            assert_eq!(capabilities.bounding, 1 << 0 | 1 << 6 | 1 << 7 | 1 << 10);
            assert_eq!(capabilities.effective, 1 << 0 | 1 << 6 | 1 << 7);
            assert_eq!(capabilities.ambient, 1 << 10);
            let limits: Vec<_> = process.rlimits.iter().map(|r| (r.resource, r.soft, r.hard)).collect();
            assert_eq!(limits, [(7, 65536, 1048576), (8, u64::MAX, u64::MAX)]);
            assert!(process.no_new_privileges);
            assert_eq!(process.oom_score_adj, Some(-500));
            assert_eq!(spec.mounts.len(), 8);
            let mount = spec.mounts[2];
            assert_eq!(
                (mount.destination, mount.kind, mount.source),
                (Some(c"/etc/resolv.conf"), Some(c"bind"), Some(c"/etc/resolv.conf"))
            );
            assert_eq!(mount.options, [c"rw", c"rbind", c"rshared"]);
            assert_eq!(spec.annotations.len(), 2);
            assert_eq!((spec.annotations[1].name, spec.annotations[1].value), (c"org.example.note", c"a & b"));
            let linux = spec.linux;
            let ids = linux.uid_mappings[0];
            assert_eq!((ids.container_id, ids.host_id, ids.size), (0, 100000, 65536));
            assert_eq!(linux.gid_mappings.len(), 1);
            assert_eq!((linux.sysctl[0].name, linux.sysctl[0].value), (c"net.ipv4.ip_forward", c"1"));
            let namespaces: Vec<_> = linux.namespaces.iter().map(|n| (n.kind, n.path)).collect();
            assert_eq!(namespaces[0], (Namespace::Network, Some(c"/run/netns/web")));
            assert_eq!(namespaces[4..], [(Namespace::User, None), (Namespace::Mount, None)]);
            let device = linux.devices[0];
            assert_eq!((device.kind, device.path, device.major), (b'c', Some(c"/dev/fuse"), Some(10)));
            assert_eq!((device.minor, device.file_mode, device.uid), (Some(229), Some(0o666), None));
            assert_eq!((linux.devices[1].kind, linux.devices[1].gid), (b'p', Some(0)));
            assert_eq!(linux.rootfs_propagation, Some(c"shared"));
            assert_eq!(linux.cgroups_path, Some(c"/services/web"));
            assert_eq!(
                (linux.masked_paths, linux.readonly_paths),
                (&[c"/proc/kcore", c"/sys/firmware"][..], &[c"/proc/sys"][..])
            );
            let resources = linux.resources;
            let rules: Vec<_> =
                resources.devices.iter().map(|d| (d.allow, d.kind, d.major, d.minor, d.access)).collect();
            assert_eq!(rules[0], (false, None, None, None, 7));
            assert_eq!(rules[1], (true, Some(b'c'), Some(1), Some(3), 3));
            assert_eq!(rules[2], (true, Some(b'b'), None, None, 7));
            let memory = resources.memory;
            assert_eq!(
                (memory.limit, memory.reservation, memory.swap),
                (Some(134217728), Some(67108864), Some(134217728))
            );
            let cpu = resources.cpu;
            assert_eq!((cpu.shares, cpu.quota, cpu.period), (Some(512), Some(50000), Some(100000)));
            assert_eq!((cpu.cpus, cpu.mems, cpu.burst, cpu.idle), (Some(c"0-1"), Some(c"0"), None, None));
            assert_eq!((resources.pids_limit, resources.block_io_weight), (Some(64), Some(100)));
            assert_eq!(
                (resources.hugepage_limits[0].page_size, resources.hugepage_limits[0].limit),
                (c"2MB", 209715200)
            );
            assert_eq!((resources.unified[0].name, resources.unified[0].value), (c"memory.high", c"100000000"));
        })
        .unwrap();
        runtime(SERVICE_RUNTIME, |runtime| {
            assert_eq!(runtime.cgroups, [c"podruntime", c"kubepods"]);
            assert_eq!(runtime.mounts.len(), 4);
            assert_eq!((runtime.mounts[1].kind, runtime.mounts[1].options), (None, &[c"remount", c"private"][..]));
            assert_eq!(runtime.mkdir, [c"/var/lib/www", c"var/cache/nginx"]);
            let interfaces: Vec<_> =
                runtime.interfaces.iter().map(|i| (i.name, i.add, i.peer, i.create_in_root)).collect();
            assert_eq!(
                interfaces,
                [
                    (Some(c"eth1"), None, None, false),
                    (Some(c"veth0"), Some(c"veth"), Some(c"veth1"), false),
                    (Some(c"wg0"), Some(c"wireguard"), None, true)
                ]
            );
            for (kind, path) in Namespace::ALL.iter().zip(runtime.bind_namespaces) {
                let expected = match kind {
                    Namespace::Ipc => Some(c"/run/ns/ipc"),
                    Namespace::Network => Some(c"/run/netns/web"),
                    Namespace::Pid => Some(c"/run/ns/pid"),
                    _ => None,
                };
                assert_eq!(path, expected);
            }
            assert_eq!(runtime.namespace, Some(c"services.linuxkit"));
        })
        .unwrap();
    }
}
