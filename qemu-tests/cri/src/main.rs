//! A client of Kubernetes' container runtime interface: one call each time it is started, as `crictl` makes it, with a
//! pod and containers as the kubelet describes them.
//!
//! ```text
//! cri version | ready
//! cri run-pod HANDLER NAME CGROUP          its id; with `-shared` at the name's end it has one pid namespace
//! cri pod-status POD                       its state and address
//! cri create POD POD-NAME CGROUP NAME IMAGE WORD...   the container's id
//! cri start | status | stats ID
//! cri exec ID WORD...                      the output; the exit code is the command's
//! cri update ID BYTES SHARES
//! cri stop ID SECONDS
//! cri remove ID
//! cri stop-pod | remove-pod POD
//! ```

mod grpc;
mod messages;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use messages::*;

const SOCKET: &str = "/run/containerd/containerd.sock";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("cri: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn call<Response: prost::Message + Default>(method: &str, request: &impl prost::Message) -> Result<Response> {
    grpc::call(SOCKET, method, request)
}

fn run(words: &[&str]) -> Result<u8> {
    match words {
        ["version"] => {
            let version: VersionResponse = call("Version", &Empty {})?;
            println!("{} {}", version.runtime_name, version.runtime_version);
        }
        ["ready"] => {
            let status: StatusResponse = call("Status", &Empty {})?;
            let conditions = status.status.unwrap_or_default().conditions;
            let missing = conditions.iter().find(|condition| !condition.status);
            if let Some(condition) = missing {
                bail!("{}: {}", condition.kind, condition.message);
            }
        }
        ["run-pod", handler, name, group] => {
            let request = RunPodSandboxRequest { config: Some(pod(name, group)), runtime_handler: handler.to_string() };
            let made: Id = call("RunPodSandbox", &request)?;
            println!("{}", made.id);
        }
        ["pod-status", pod] => {
            let answer: PodSandboxStatusResponse = call("PodSandboxStatus", &id(pod))?;
            let status = answer.status.unwrap_or_default();
            let state = ["ready", "not ready"].get(status.state as usize).context("an unknown state")?;
            println!("{state} {}", status.network.unwrap_or_default().ip);
        }
        ["create", sandbox, pod_name, group, name, image, command @ ..] => {
            let request = CreateContainerRequest {
                pod_sandbox_id: sandbox.to_string(),
                config: Some(container(pod_name, name, image, command)),
                sandbox_config: Some(pod(pod_name, group)),
            };
            let made: Id = call("CreateContainer", &request)?;
            println!("{}", made.id);
        }
        ["start", container] => call::<Empty>("StartContainer", &id(container)).map(drop)?,
        ["status", container] => {
            let answer: ContainerStatusResponse = call("ContainerStatus", &id(container))?;
            let status = answer.status.unwrap_or_default();
            let state = ["created", "running", "exited", "unknown"].get(status.state as usize);
            let state = state.context("an unknown state")?;
            println!("{state} {} {} {}", status.exit_code, status.reason, status.message);
        }
        ["stats", container] => {
            let answer: ContainerStatsResponse = call("ContainerStats", &id(container))?;
            let stats = answer.stats.unwrap_or_default();
            let [time, memory] =
                [stats.cpu.unwrap_or_default().nanoseconds, stats.memory.unwrap_or_default().working_set]
                    .map(|count| count.unwrap_or_default().value);
            println!("{time} {memory}");
        }
        ["exec", container, command @ ..] => {
            let request = ExecSyncRequest { container_id: container.to_string(), cmd: owned(command), timeout: 100 };
            let answer: ExecSyncResponse = call("ExecSync", &request)?;
            std::io::stdout().write_all(&answer.stdout)?;
            std::io::stderr().write_all(&answer.stderr)?;
            return u8::try_from(answer.exit_code).context("an exit code that is none");
        }
        ["update", container, memory, shares] => {
            let linux = LinuxContainerResources {
                memory_limit_in_bytes: memory.parse()?,
                cpu_shares: shares.parse()?,
                ..Default::default()
            };
            let request = UpdateContainerResourcesRequest { container_id: container.to_string(), linux: Some(linux) };
            call::<Empty>("UpdateContainerResources", &request)?;
        }
        ["stop", container, seconds] => {
            let request = StopContainerRequest { container_id: container.to_string(), timeout: seconds.parse()? };
            call::<Empty>("StopContainer", &request)?;
        }
        ["remove", container] => call::<Empty>("RemoveContainer", &id(container)).map(drop)?,
        ["stop-pod", pod] => call::<Empty>("StopPodSandbox", &id(pod)).map(drop)?,
        ["remove-pod", pod] => call::<Empty>("RemovePodSandbox", &id(pod)).map(drop)?,
        _ => bail!("unknown: {}", words.join(" ")),
    }
    Ok(0)
}

fn id(text: &str) -> Id {
    Id { id: text.to_owned() }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

/// A pod of the kubelet's, with a network, a name server and a sysctl of its own.
fn pod(name: &str, group: &str) -> PodSandboxConfig {
    let metadata =
        PodSandboxMetadata { name: name.to_owned(), uid: format!("uid-{name}"), namespace: "default".to_owned() };
    PodSandboxConfig {
        metadata: Some(metadata),
        hostname: "pod-0".to_owned(),
        log_directory: format!("/var/log/pods/{name}"),
        dns_config: Some(DnsConfig { servers: vec!["192.0.2.2".to_owned()] }),
        labels: [("io.kubernetes.pod.name".to_owned(), name.to_owned())].into(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: group.to_owned(),
            security_context: Some(SandboxSecurityContext {
                namespace_options: Some(namespaces(name)),
                seccomp: Some(SecurityProfile::default()),
            }),
            sysctls: [("net.ipv4.ip_unprivileged_port_start".to_owned(), "80".to_owned())].into(),
        }),
    }
}

/// A process namespace each, unless they share one.
fn namespaces(pod_name: &str) -> NamespaceOption {
    NamespaceOption { pid: i32::from(!pod_name.ends_with("-shared")) }
}

/// A container of the kubelet's, of a Burstable pod under the restricted security standard.
fn container(pod_name: &str, name: &str, image: &str, command: &[&str]) -> ContainerConfig {
    ContainerConfig {
        metadata: Some(ContainerMetadata { name: name.to_owned(), attempt: 0 }),
        image: Some(ImageSpec { image: image.to_owned() }),
        command: owned(command),
        working_dir: "/tmp".to_owned(),
        envs: vec![KeyValue { key: "KUBERNETES_SERVICE_HOST".to_owned(), value: "10.96.0.1".to_owned() }],
        mounts: vec![
            Mount { container_path: "/etc/hosts".into(), host_path: "/run/pod/etc-hosts".into(), readonly: false },
            Mount { container_path: "/dev/termination-log".into(), host_path: "/run/pod/log".into(), readonly: false },
            Mount {
                container_path: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
                host_path: "/run/pod/token".into(),
                readonly: true,
            },
        ],
        labels: [("io.kubernetes.container.name".to_owned(), name.to_owned())].into(),
        log_path: format!("{name}.log"),
        linux: Some(LinuxContainerConfig {
            resources: Some(LinuxContainerResources {
                cpu_period: 100_000,
                cpu_quota: 50_000,
                cpu_shares: 512,
                memory_limit_in_bytes: 64 << 20,
                oom_score_adj: 900,
            }),
            security_context: Some(ContainerSecurityContext {
                capabilities: Some(Capability { drop_capabilities: vec!["ALL".to_owned()] }),
                namespace_options: Some(namespaces(pod_name)),
                run_as_user: Some(Number { value: 1000 }),
                readonly_rootfs: true,
                supplemental_groups: vec![2000],
                no_new_privs: true,
                masked_paths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"]
                    .map(str::to_owned)
                    .into(),
                readonly_paths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
                    .map(str::to_owned)
                    .into(),
                seccomp: Some(SecurityProfile::default()),
            }),
        }),
    }
}
