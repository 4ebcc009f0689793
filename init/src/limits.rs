//! Every bound pidone has, each with its reason. One past a bound is an error that names it; nothing is ever cut short
//! in silence.

/// A config.json of a large Kubernetes pod is about 60 KiB; the specification sets no bound.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;
/// runtime.json lists mounts, interfaces and namespace files: a few kilobytes in every known image.
pub const RUNTIME_BYTES_MAX: usize = 256 * 1024;
/// All that a launch keeps of both texts, and its plan. A text's strings are at most as long as the text; the rest are
/// records of a few words. The region is `.bss`: pages that are never touched cost nothing.
pub const ARENA_BYTES: usize = 4 * CONFIG_BYTES_MAX;
/// Nesting of JSON. The deepest place the specification knows is 7 levels down.
pub const JSON_DEPTH_MAX: usize = 32;
/// Annotations, sysctls or cgroup files in one container; each is compared with all before it. Kubernetes pods have some
/// dozens.
pub const PAIRS_MAX: usize = 4096;
/// Warnings about one text that are told one by one.
pub const WARNINGS_MAX: usize = 16;
/// Processors or memory nodes in a list such as `0-3,7`, counted from 0: the most that a kernel can be built for.
pub const LIST_NUMBERS_MAX: usize = 8192;

/// Steps of one plan: about 60 for an ordinary container, plus one or two for each mount and device. A step's number
/// crosses the launcher's pipe as a `u16`.
pub const STEPS_MAX: usize = 16384;

/// Instructions of a filter of system calls: `BPF_MAXINSNS`. The profile of podman takes 368.
pub const FILTER_INSTRUCTIONS_MAX: usize = 4096;

/// Containers in one image, over all sections. Images have a few dozen; a thousand at once is a promise.
pub const CONTAINERS_MAX: usize = 1024;
/// A container's name is its directory's name. Longer than 64 bytes would not be a name that a person types.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of an id on the command line: runc's bound. The kernel's, on the name of a directory, is 255.
pub const ID_BYTES_MAX: usize = 1024;
/// Processes of one container that are listed or signalled one by one are read in pieces of this many bytes.
pub const PROCESSES_BYTES: usize = 4096;

/// Launchers and cleaners at work at the same time: enough to keep every processor of a large machine busy, few enough
/// that their memory does not matter.
pub const HELPERS_MAX: usize = 16;
/// Launchers that wait for their container to be ready, each with some pages of memory.
pub const WATCHERS_MAX: usize = 256;
/// "This service waits for that one", over all services. An image with fifty has about a hundred.
pub const EDGES_MAX: usize = 4096;
/// Children reaped and signals taken before PID 1 looks at all else, so that a storm of orphans cannot keep a power request
/// out.
pub const REAPS_PER_LOOK: u32 = 256;
/// Power buttons that are listened to. Machines have one, some a fixed one beside it.
pub const BUTTONS_MAX: usize = 4;
/// Clients of the control socket that are answered at the same time, each by a process of its own. Few enough that they
/// need not be counted as memory.
pub const ANSWERERS_MAX: usize = 16;
/// How many of these places are root's alone: other users cannot keep the operator out.
pub const ANSWERERS_OF_ROOT: usize = 4;
/// How long an answer may take: a client that does not ask or does not read holds its place so long, and a machine that
/// swaps or is full of other work is slow.
pub const ANSWER_US: u64 = 10_000_000;
/// How long nobody is let in after the kernel had no memory or descriptor for it.
pub const CLIENTS_PAUSE_US: u64 = 100_000;
/// How long is between two looks at a container that is to run but does not yet: nobody tells.
pub const WAIT_US: u64 = 100_000;
/// How often in a row a command asks PID 1 while it is busy with others, a hundredth of a second apart.
pub const ASKS_MAX: u32 = 2000;
/// How often, a hundredth of a second apart, is looked whether all processes of a control group are frozen: two seconds.
/// Longer only when one of them is stuck in the kernel.
pub const FREEZE_LOOKS: u32 = 200;
/// How long a process may take to go after SIGKILL. Longer only when it is stuck in the kernel, for ever.
pub const KILL_US: u64 = 2_000_000;
/// How long it may take to clean up after a container: of a one-shot, the consoles are drained first.
pub const CLEAN_US: u64 = 30_000_000;
/// How often the kernel is asked to verify a device filter, which it breaks off at a signal: libbpf's number.
pub const BPF_TRIES: u32 = 5;
/// How often a cleaner is forked again when somebody kills it: as often as an accident may happen.
pub const CLEANERS_MAX: u8 = 5;
/// How long the processes that belong to no container have after SIGTERM, when all containers have ended.
pub const TERMINATE_US: u64 = 2_000_000;
/// How long systemd may take to make a scope, or to let go of an empty one of the same name: what others wait for it.
pub const SCOPE_US: u64 = 25_000_000;
/// A request to systemd: half a kibibyte, and two names, of which systemd takes 255 bytes each.
pub const REQUEST_BYTES_MAX: usize = 4096;
/// One message of systemd's: a page for most, more for what describes many units.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long it may take to read the annotations of all bundles: a thousand of them take a tenth of a second.
pub const SURVEY_US: u64 = 20_000_000;
/// How soon it is looked again whether the machine is well, so that it is not reset when it is well in time.
pub const ILL_US: u64 = 250_000;
/// How often a port or a command is asked whether a container is ready.
pub const READY_LOOK_US: u64 = 50_000;
/// What is looked at of a table of TCP sockets: 400 of them, and those that listen come first.
pub const TCP_TABLE_BYTES: usize = 64 * 1024;
/// How often it is looked, a hundredth of a second apart, whether a check that was killed has gone.
pub const CHECK_LOOKS: u32 = 100;
/// How long a container whose check failed is looked at: if it is about to end, that ends the check just before itself.
pub const CHECK_END_US: u64 = 500_000;
/// How long a check may take to go after SIGTERM.
pub const CHECK_TERM_US: u64 = 1_000_000;
/// Bytes of a word of a command in an annotation.
pub const WORD_BYTES_MAX: usize = 1024;
/// How long unmounting may take. It writes back what is cached: minutes on a slow disk would be lost data, for ever is
/// a network file system whose server has gone.
pub const UNMOUNT_US: u64 = 90_000_000;
/// How long servers elsewhere are waited for when their file systems are unmounted. What was written to them has been sent
/// when its files were closed: one that answers nothing for so long has gone.
pub const SERVERS_US: u64 = 10_000_000;
/// Rounds of unmounting and releasing devices. One level of a loop device on a file system on a loop device each.
pub const UNMOUNT_ROUNDS: usize = 8;
/// PATH_MAX of the kernel, the final NUL included.
pub const PATH_BYTES_MAX: usize = 4096;
/// Directories below one another that pidone itself empties: an overlay's upper directory of a hostile container may be
/// deeper; what is below is then left.
pub const EMPTY_DEPTH_MAX: usize = 32;
/// What is looked at of a container's /etc/passwd: some hundred users.
pub const PASSWD_BYTES_MAX: usize = 16 * 1024;
/// How long a hook may take that says nothing of it: long enough for what prepares a device or a network, not for ever.
pub const HOOK_SECONDS: u64 = 300;

/// Links to nowhere that a launch follows by itself: an image has one or two, and the kernel follows 40 in a path.
pub const DANGLING_LINKS_MAX: u8 = 40;

/// Mounts of one container that show other ids than the files have: a descriptor each while it is launched. Pods have at
/// most a few dozen volumes.
pub const IDMAPPED_MOUNTS_MAX: usize = 64;

/// One line of the kernel log; the kernel refuses records of more than 1024 bytes, its own prefix included.
pub const LOG_LINE_BYTES: usize = 896;
/// A step or the name of a field in such a line, which are as long as a bundle makes them: the name of the container and
/// the reason have room beside it.
pub const LOG_PART_BYTES: usize = 448;

/// Streams that are logged, those that have ended and are still remembered among them: both of every container, and of
/// those that were started anew while something of the old one still held its streams.
pub const LOG_STREAMS_MAX: usize = 2 * CONTAINERS_MAX + 128;
/// Bytes of which no more lines can come than a ring holds: so many are read at once when they are shown on consoles.
pub const LOG_SHOWN_BYTES: usize = 256;
/// Hundredths of a second that streams wait for a console that does not take what it is to show. It is then not waited for
/// until it has shown all there is.
pub const LOG_PATIENCE: u32 = 100;
/// A stream's name: `shutdown.`, a container's name, `.out`.
pub const LOG_SOURCE_BYTES: usize = NAME_BYTES_MAX + 16;
/// The last lines of a stream in memory: some hundred, and 35 MiB if every stream there can be has filled its ring.
pub const LOG_RING_BYTES: usize = 16 * 1024;
/// A line of the log: memlogd's bound. A longer one is kept in pieces.
pub const LOG_RECORD_BYTES: usize = 1024;
/// Read at once of one stream, before others have their turn: what a pipe holds.
pub const LOG_BATCH_BYTES: usize = 64 * 1024;
/// What a stream may write at once, and after that in each millisecond. What is beyond that is dropped and counted: the
/// log is not to take the machine's memory, disk and processors.
pub const LOG_BURST_BYTES: u64 = 4 * 1024 * 1024;
/// See [`LOG_BURST_BYTES`]: 1 MiB a second.
pub const LOG_BYTES_PER_MILLISECOND: u64 = 1024;
/// What of a stream's pipe is never dropped: a stack trace.
pub const LOG_KEPT_BYTES: usize = 4096;
/// How long the logger looks away from a stream that holds no more than that, and may not be read yet.
pub const LOG_IDLE_US: u64 = 1000;
/// A log file that is longer is put aside, in place of the one before, unless `pidone.log-size=` says otherwise.
pub const LOG_FILE_BYTES: u64 = 1024 * 1024;
/// Messages in the queue that holds all streams' descriptors: the kernel counts about a kilobyte for each.
pub const LOG_STORE_BYTES: u32 = 4 * 1024 * 1024;
/// Who asks for logs at the same time: all cleaners, which wait for the end of their container's, the consoles, which the
/// kernel has at most 8 of, and a few others.
pub const LOG_CLIENTS_MAX: usize = HELPERS_MAX + 16;
/// Records sent to one of them before others have their turn.
pub const LOG_RECORDS_PER_TURN: usize = 64;
/// How long the cleaner of a container waits until all is logged that it wrote: longer only when something else still
/// holds its streams.
pub const LOG_END_US: u64 = 2_000_000;
/// How long the last look at all streams may take, when the machine goes down.
pub const LOG_DRAIN_US: u64 = 5_000_000;
/// How soon a logger that has ended is started again.
pub const LOGGER_PAUSE_US: u64 = 50_000;

/// The kernel's own command line is at most 2048 bytes on x86 and 4096 elsewhere.
pub const CMDLINE_BYTES_MAX: usize = 4096;
/// Problems of the command line that are told one by one.
pub const CMDLINE_PROBLEMS_MAX: usize = 8;
/// A grace time of a day is meant as "wait".
pub const GRACE_SECONDS_MAX: u32 = 86_400;
/// The longest time that a container can wish for: a day in milliseconds.
pub const WISH_MAX: u32 = GRACE_SECONDS_MAX * 1000;
/// A count of restarts beyond this is meant as "always".
pub const RESTARTS_MAX: u32 = 1_000_000;
/// The highest descriptor that a container may say on that it is ready: what programs are told with a number is small.
pub const READY_DESCRIPTOR_MAX: u32 = 63;
/// How long the root's device may take to appear unless `rootwait` says otherwise: drivers look for disks at their leisure.
pub const ROOT_WAIT_US: u64 = 2_000_000;
/// Entries of a partition table that are looked at; the kernel itself makes at most 256 devices of a disk.
pub const PARTITIONS_MAX: u64 = 256;
/// Random bytes that are taken at once: Windows hosts give 512, and the kernel's pool holds 32.
pub const ENTROPY_BYTES_MAX: usize = 4096;
/// Bytes of a seed that counts: what other systems keep.
pub const SEED_BYTES: usize = 512;
/// Where QEMU puts an isa-debug-exit unless told otherwise.
pub const DEBUG_EXIT_PORT: u16 = 0x501;
/// How long a standard stream's port may take to appear: the driver learns of each from the monitor.
pub const PORT_WAIT_US: u64 = 5_000_000;
/// How long a terminal may take to send what was written to it: a screenful at 9600 baud is two seconds.
pub const DRAIN_US: u64 = 5_000_000;
/// How long the host may take to read an exit code from a connection: no longer than a terminal may.
pub const LINGER_S: u32 = 5;
/// How long telling the host of the end may take, draining every console included.
pub const FAREWELL_US: u64 = 15_000_000;
/// `__NEW_UTS_LEN` of sethostname(2).
pub const HOSTNAME_BYTES_MAX: usize = 64;

/// Kernel modules loaded by one process. A desktop has about 200 loaded, a virtual machine about 40.
pub const MODULES_MAX: usize = 1024;
/// Modules that wait for each other. The longest list in modules.dep of Debian's cloud kernels has 12.
pub const MODULES_PENDING_MAX: usize = 256;
/// Parameters of one module. The kernel takes a page of them (finit_module(2)).
pub const MODULE_PARAMETERS_BYTES_MAX: usize = 4095;
/// All files of modprobe.d together: a few kilobytes in every known image.
pub const MODULE_SETTINGS_BYTES_MAX: usize = 256 * 1024;
/// What all devices of the machine say of themselves: 10 KiB in a virtual machine, some 100 KiB in a large server.
pub const MODALIAS_BYTES_MAX: usize = 1024 * 1024;
/// Rounds of looking for devices. Each level of buses takes one: PCI, virtio, SCSI, disk.
pub const COLDPLUG_ROUNDS_MAX: usize = 16;

const _: () = assert!(ARENA_BYTES >= CONFIG_BYTES_MAX + RUNTIME_BYTES_MAX);
const _: () = assert!(HELPERS_MAX <= CONTAINERS_MAX);
const _: () = assert!(ANSWERERS_OF_ROOT < ANSWERERS_MAX);
const _: () = assert!(STEPS_MAX <= u16::MAX as usize);
const _: () = assert!(LOG_RECORD_BYTES < 1 << 15 && LOG_RING_BYTES.is_power_of_two());
const _: () = assert!(CONTAINERS_MAX <= u16::MAX as usize);
