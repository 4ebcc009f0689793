//! What is said on the socket: the part of Kubernetes' `runtime.v1` (`cri-api/pkg/apis/runtime/v1/api.proto`) that is used
//! here. Fields have that file's numbers; what is left out is not sent, and not read.

#![allow(missing_docs, reason = "the interface's own names")]

use std::collections::HashMap;

/// Declares messages: `name: type = number`, where `type` is what prost calls it.
macro_rules! messages {
    ($($(#[$about:meta])* $message:ident { $($(#[$meta:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$about])*
            #[derive(Clone, PartialEq, prost::Message)]
            pub(crate) struct $message {
                $($(#[$meta])* pub(crate) $field: $kind,)*
            }
        )*
    };
}

messages! {
    Empty {}
    VersionResponse {
        #[prost(string, tag = "2")] runtime_name: String,
        #[prost(string, tag = "3")] runtime_version: String,
    }
    StatusResponse { #[prost(message, optional, tag = "1")] status: Option<RuntimeStatus>, }
    RuntimeStatus { #[prost(message, repeated, tag = "1")] conditions: Vec<RuntimeCondition>, }
    RuntimeCondition {
        #[prost(string, tag = "1")] kind: String,
        #[prost(bool, tag = "2")] status: bool,
        #[prost(string, tag = "4")] message: String,
    }

    RunPodSandboxRequest {
        #[prost(message, optional, tag = "1")] config: Option<PodSandboxConfig>,
        #[prost(string, tag = "2")] runtime_handler: String,
    }
    PodSandboxConfig {
        #[prost(message, optional, tag = "1")] metadata: Option<PodSandboxMetadata>,
        #[prost(string, tag = "2")] hostname: String,
        #[prost(string, tag = "3")] log_directory: String,
        #[prost(message, optional, tag = "4")] dns_config: Option<DnsConfig>,
        #[prost(map = "string, string", tag = "6")] labels: HashMap<String, String>,
        #[prost(message, optional, tag = "8")] linux: Option<LinuxPodSandboxConfig>,
    }
    PodSandboxMetadata {
        #[prost(string, tag = "1")] name: String,
        #[prost(string, tag = "2")] uid: String,
        #[prost(string, tag = "3")] namespace: String,
    }
    DnsConfig { #[prost(string, repeated, tag = "1")] servers: Vec<String>, }
    LinuxPodSandboxConfig {
        #[prost(string, tag = "1")] cgroup_parent: String,
        #[prost(message, optional, tag = "2")] security_context: Option<SandboxSecurityContext>,
        #[prost(map = "string, string", tag = "3")] sysctls: HashMap<String, String>,
    }
    SandboxSecurityContext {
        #[prost(message, optional, tag = "1")] namespace_options: Option<NamespaceOption>,
        #[prost(message, optional, tag = "9")] seccomp: Option<SecurityProfile>,
    }
    /// 0 is the pod's, 1 the container's own.
    NamespaceOption { #[prost(int32, tag = "2")] pid: i32, }
    /// Type 0 is the runtime's default.
    SecurityProfile { #[prost(int32, tag = "1")] kind: i32, }

    CreateContainerRequest {
        #[prost(string, tag = "1")] pod_sandbox_id: String,
        #[prost(message, optional, tag = "2")] config: Option<ContainerConfig>,
        #[prost(message, optional, tag = "3")] sandbox_config: Option<PodSandboxConfig>,
    }
    ContainerConfig {
        #[prost(message, optional, tag = "1")] metadata: Option<ContainerMetadata>,
        #[prost(message, optional, tag = "2")] image: Option<ImageSpec>,
        #[prost(string, repeated, tag = "3")] command: Vec<String>,
        #[prost(string, tag = "5")] working_dir: String,
        #[prost(message, repeated, tag = "6")] envs: Vec<KeyValue>,
        #[prost(message, repeated, tag = "7")] mounts: Vec<Mount>,
        #[prost(map = "string, string", tag = "9")] labels: HashMap<String, String>,
        #[prost(string, tag = "11")] log_path: String,
        #[prost(message, optional, tag = "15")] linux: Option<LinuxContainerConfig>,
    }
    ContainerMetadata {
        #[prost(string, tag = "1")] name: String,
        #[prost(uint32, tag = "2")] attempt: u32,
    }
    ImageSpec { #[prost(string, tag = "1")] image: String, }
    KeyValue {
        #[prost(string, tag = "1")] key: String,
        #[prost(string, tag = "2")] value: String,
    }
    Mount {
        #[prost(string, tag = "1")] container_path: String,
        #[prost(string, tag = "2")] host_path: String,
        #[prost(bool, tag = "3")] readonly: bool,
    }
    LinuxContainerConfig {
        #[prost(message, optional, tag = "1")] resources: Option<LinuxContainerResources>,
        #[prost(message, optional, tag = "2")] security_context: Option<ContainerSecurityContext>,
    }
    LinuxContainerResources {
        #[prost(int64, tag = "1")] cpu_period: i64,
        #[prost(int64, tag = "2")] cpu_quota: i64,
        #[prost(int64, tag = "3")] cpu_shares: i64,
        #[prost(int64, tag = "4")] memory_limit_in_bytes: i64,
        #[prost(int64, tag = "5")] oom_score_adj: i64,
    }
    ContainerSecurityContext {
        #[prost(message, optional, tag = "1")] capabilities: Option<Capability>,
        #[prost(message, optional, tag = "3")] namespace_options: Option<NamespaceOption>,
        #[prost(message, optional, tag = "5")] run_as_user: Option<Number>,
        #[prost(bool, tag = "7")] readonly_rootfs: bool,
        #[prost(int64, repeated, tag = "8")] supplemental_groups: Vec<i64>,
        #[prost(bool, tag = "11")] no_new_privs: bool,
        #[prost(string, repeated, tag = "13")] masked_paths: Vec<String>,
        #[prost(string, repeated, tag = "14")] readonly_paths: Vec<String>,
        #[prost(message, optional, tag = "15")] seccomp: Option<SecurityProfile>,
    }
    Capability { #[prost(string, repeated, tag = "2")] drop_capabilities: Vec<String>, }
    Number { #[prost(int64, tag = "1")] value: i64, }

    /// Of a pod or a container, and what is answered when there is one.
    Id { #[prost(string, tag = "1")] id: String, }
    StopContainerRequest {
        #[prost(string, tag = "1")] container_id: String,
        #[prost(int64, tag = "2")] timeout: i64,
    }
    UpdateContainerResourcesRequest {
        #[prost(string, tag = "1")] container_id: String,
        #[prost(message, optional, tag = "2")] linux: Option<LinuxContainerResources>,
    }
    ExecSyncRequest {
        #[prost(string, tag = "1")] container_id: String,
        #[prost(string, repeated, tag = "2")] cmd: Vec<String>,
        #[prost(int64, tag = "3")] timeout: i64,
    }
    ExecSyncResponse {
        #[prost(bytes = "vec", tag = "1")] stdout: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")] stderr: Vec<u8>,
        #[prost(int32, tag = "3")] exit_code: i32,
    }
    ContainerStatusResponse { #[prost(message, optional, tag = "1")] status: Option<ContainerStatus>, }
    ContainerStatus {
        /// Created, running, exited, unknown.
        #[prost(int32, tag = "3")] state: i32,
        #[prost(int32, tag = "7")] exit_code: i32,
        #[prost(string, tag = "10")] reason: String,
        #[prost(string, tag = "11")] message: String,
    }
    PodSandboxStatusResponse { #[prost(message, optional, tag = "1")] status: Option<PodSandboxStatus>, }
    PodSandboxStatus {
        /// Ready, not ready.
        #[prost(int32, tag = "3")] state: i32,
        #[prost(message, optional, tag = "5")] network: Option<PodSandboxNetwork>,
    }
    PodSandboxNetwork { #[prost(string, tag = "1")] ip: String, }
    ContainerStatsResponse { #[prost(message, optional, tag = "1")] stats: Option<ContainerStats>, }
    ContainerStats {
        #[prost(message, optional, tag = "2")] cpu: Option<CpuUsage>,
        #[prost(message, optional, tag = "3")] memory: Option<MemoryUsage>,
    }
    CpuUsage { #[prost(message, optional, tag = "2")] nanoseconds: Option<Count>, }
    MemoryUsage { #[prost(message, optional, tag = "2")] working_set: Option<Count>, }
    Count { #[prost(uint64, tag = "1")] value: u64, }
}
