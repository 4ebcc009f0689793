//! Control groups: `cgroupsPath`, runtime.json's `cgroups`, and `linux.resources` as files of cgroup v2.
//! Documentation/admin-guide/cgroup-v2.rst; the values of v1 are converted as runc and crun do it.

use crate::abi::namespace::Namespace;
use crate::arena::Arena;
use crate::config::spec::{BlockIo, DeviceLimit, Mount, Resources, Spec};
use crate::error::Result;
use crate::plan::facts::{Controllers, Facts, Systemd};
use crate::plan::step::{Absent, Step};
use crate::plan::{Request, Steps, path};
use crate::text::{Value, fields, has};
use crate::texts::CStr;

/// The kernel's default `cpu.cfs_period_us`.
const PERIOD_DEFAULT_US: u64 = 100_000;

/// The container's own group, from the root of all groups.
pub(super) fn group<'a>(spec: &Spec<'a>, facts: &Facts<'a>, to: &mut Steps<'_, 'a>) -> &'a CStr {
    let field = c!("linux.cgroupsPath");
    if facts.manner.no_groups || facts.manner.joins.is_some() {
        return s!("");
    }
    if let Some(systemd) = &facts.manner.systemd {
        return scope(spec, facts.name, systemd, to);
    }
    let Some(given) = spec.linux.cgroups_path.filter(|path| !path.is_empty()) else {
        let path = to.arena.string(&[facts.section.group().as_bytes(), b"/", facts.name.to_bytes()]);
        return path::join(to.arena, s!("/"), path);
    };
    if names_scope(given) {
        to.refuse(field, c!("the form slice:prefix:name needs --systemd-cgroup"));
    }
    if path::goes_up(given) {
        to.refuse(field, c!("must not contain `..`"));
    }
    if path::same(given, s!("/")) {
        to.refuse(field, c!("must not be the root of all groups"));
    }
    path::join(to.arena, s!("/"), given)
}

/// Whether a path has the form `slice:prefix:name`, which is systemd's.
pub fn names_scope(given: &CStr) -> bool {
    let mut colons = 0;
    for byte in given.to_bytes() {
        match byte {
            b':' => colons += 1,
            b'/' => return false,
            _ => {}
        }
    }
    colons == 2
}

/// The group in what systemd makes: `slice:prefix:name` is `prefix-name.scope`, below each slice that the name of the slice
/// says it is in: systemd.slice(5). What else a name may have is systemd's business. All that is below the group of the
/// systemd that is asked.
#[inline(never)]
fn scope<'a>(spec: &Spec<'a>, id: &CStr, systemd: &Systemd<'a>, to: &mut Steps<'_, 'a>) -> &'a CStr {
    let given = spec.linux.cgroups_path.unwrap_or_default();
    let mut wrong = !given.is_empty() && !names_scope(given);
    let mut parts = fields(if given.is_empty() { b":pidone:" } else { given.to_bytes() }, b':');
    let mut part = || parts.next().unwrap_or_default();
    let (mut slice, prefix, mut name) = (part(), part(), part());
    if slice.is_empty() {
        slice = if systemd.group.is_empty() { b"system.slice" } else { b"user.slice" };
    }
    if name.is_empty() {
        name = id.to_bytes();
    }
    let stem = slice.strip_suffix(b".slice").unwrap_or_default();
    let mut path = systemd.group;
    let mut end = 0;
    for part in fields(if slice == b"-.slice" { b"" } else { stem }, b'-') {
        end += part.len();
        wrong |= part.is_empty() && slice != b"-.slice";
        if !part.is_empty() {
            path = to.arena.string(&[path.to_bytes(), b"/", stem.get(..end).unwrap_or_default(), b".slice"]);
        }
        end += 1;
    }
    if wrong {
        to.refuse(c!("linux.cgroupsPath"), c!("with --systemd-cgroup, must be like a-b.slice:prefix:name"));
    }
    to.arena.string(&[
        path.to_bytes(),
        b"/",
        prefix,
        if prefix.is_empty() { b"" } else { b"-" },
        name,
        b".scope/container",
    ])
}

/// runtime.json's groups.
pub(super) fn runtime_groups<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for (number, group) in request.runtime.cgroups.iter().enumerate() {
        if path::goes_up(group) || path::same(group, s!("/")) {
            return to.refuse_entry(s!("runtime.json: cgroups"), number, c!("must be a path without `..`"));
        }
        let path = path::join(to.arena, s!("/"), group);
        to.push(Step::MakeCgroup { path, controllers: request.facts.controllers });
    }
}

/// The container's own group and its limits.
pub(super) fn limits<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if !request.cgroup.is_empty() {
        if let Some(Systemd { directory, .. }) = &request.facts.manner.systemd {
            to.push(Step::MakeScope { path: request.cgroup, directory });
        }
        to.push(Step::MakeCgroup { path: request.cgroup, controllers: request.facts.controllers });
    }
    let version = request.spec.oci_version.unwrap_or_default();
    let zero_is_unset = matches!(version.to_bytes(), [b'1', b'.', b'0'..=b'2', b'.', ..]);
    resources(&request.spec.linux.resources, request.cgroup, request.facts, zero_is_unset, to);
}

/// A container whose root is the group, and who may write there, gets what the kernel leaves to the owner: runtime-spec
/// `config-linux.md#cgroup-ownership`.
pub(super) fn give<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let is_writable = |mount: &Mount| {
        mount.source == Some(s!("cgroup"))
            && mount.destination.is_some_and(|target| path::same(target, ROOT))
            && !mount.options.contains(&s!("ro"))
    };
    let namespaces = &request.namespaces;
    let is_alone = namespaces.is_new(Namespace::User) && namespaces.is_new(Namespace::Cgroup);
    if is_alone && request.spec.mounts.iter().any(is_writable) {
        let user = request.process.user.uid;
        let uid = request.spec.linux.uid_mappings.iter().find_map(|mapping| {
            let offset = user.checked_sub(mapping.container_id).filter(|offset| *offset < mapping.size)?;
            mapping.host_id.checked_add(offset)
        });
        if let Some(uid) = uid {
            to.push(Step::GiveCgroup { path: request.cgroup, uid });
        }
    }
}

const ROOT: &CStr = s!("/sys/fs/cgroup");

/// The steps that bring a running container's group to other limits: those that `resources` has and no others.
///
/// # Errors
/// What is refused, by the name of its field; a bound that was passed.
pub fn update<'a>(
    wanted: &Resources<'a>,
    group: &'a CStr,
    facts: &Facts<'a>,
    arena: &mut Arena<'a>,
) -> Result<&'a [Step<'a>]> {
    let mut to = Steps::new(arena);
    resources(wanted, group, facts, false, &mut to);
    let steps = to.finish();
    arena.check().map(|()| steps)
}

/// All but the device rules: a control file and a text for each value.
fn resources<'a>(
    resources: &Resources<'a>,
    group: &'a CStr,
    facts: &Facts,
    zero_is_unset: bool,
    to: &mut Steps<'_, 'a>,
) {
    let mut files = Files { group, available: facts.controllers, zero_is_unset, to };
    files.memory(resources);
    files.cpu(resources);
    files.pids(resources);
    files.block_io(&resources.block_io, facts.bfq_weight);
    files.hugepages(resources);
    files.rdma(resources);
    // Last: what is said in the kernel's own terms counts.
    files.unified(resources);
}

/// The control files of one group.
struct Files<'t, 's, 'a> {
    group: &'a CStr,
    available: Controllers,
    /// Whether a limit of 0 processes is none, as it was before runtime-spec 1.3.
    zero_is_unset: bool,
    to: &'t mut Steps<'s, 'a>,
}

/// The number that stands for `max`.
const MAX: u64 = u64::MAX;

impl<'a> Files<'_, '_, 'a> {
    fn memory(&mut self, resources: &Resources) {
        let (limit_field, swap_field) = (c!("linux.resources.memory.limit"), c!("linux.resources.memory.swap"));
        let reservation_field = c!("linux.resources.memory.reservation");
        let limit = self.amount(limit_field, resources.memory.limit);
        let reservation = self.amount(reservation_field, resources.memory.reservation);
        let mut swap = self.amount(swap_field, resources.memory.swap);
        // v1 counts memory and swap together, v2 swap alone.
        if let Some(both) = swap.filter(|both| *both != MAX) {
            match limit {
                None | Some(MAX) => self.to.refuse(swap_field, c!("needs a memory.limit, which it includes")),
                Some(memory) if both < memory => {
                    self.to.refuse(swap_field, c!("must not be less than memory.limit, which it includes"));
                }
                Some(memory) => swap = Some(both - memory),
            }
        }
        if let (true, Some(most)) = (resources.memory.check_before_update, limit.filter(|limit| *limit != MAX)) {
            self.to.push(Step::CheckMemory { path: self.group, most });
        }
        self.limit(swap_field, s!("memory.swap.max"), swap);
        self.limit(limit_field, s!("memory.max"), limit);
        self.limit(reservation_field, s!("memory.low"), reservation);
    }

    fn cpu(&mut self, resources: &Resources<'a>) {
        let cpu = &resources.cpu;
        let weight = cpu.shares.filter(|shares| *shares != 0).map(weight_of_shares);
        self.limit(c!("linux.resources.cpu.shares"), s!("cpu.weight"), weight);
        if let Some(idle) = cpu.idle {
            let field = c!("linux.resources.cpu.idle");
            // After the weight, which an idle group refuses.
            match idle {
                0 => self.write(field, s!("cpu.idle"), s!("0")),
                1 => self.write(field, s!("cpu.idle"), s!("1")),
                _ => self.to.refuse(field, c!("must be 0 or 1")),
            }
        }
        self.bandwidth(resources);
        // After the quota, which it must not exceed.
        if let Some(burst) = cpu.burst {
            let text = self.to.number(burst);
            self.write(c!("linux.resources.cpu.burst"), s!("cpu.max.burst"), text);
        }
        self.list(c!("linux.resources.cpu.cpus"), s!("cpuset.cpus"), cpu.cpus);
        self.list(c!("linux.resources.cpu.mems"), s!("cpuset.mems"), cpu.mems);
    }

    fn bandwidth(&mut self, resources: &Resources) {
        let quota = resources.cpu.quota.unwrap_or(0);
        let period = resources.cpu.period.unwrap_or(0);
        if quota == 0 && period == 0 || quota <= 0 && !self.available.has(Controllers::CPU) {
            return;
        }
        let period = Value::Number(if period == 0 { PERIOD_DEFAULT_US } else { period });
        let text = match quota {
            1.. => self.to.text(t!("{} {}"), &[Value::Number(quota.unsigned_abs()), period]),
            _ => self.to.text(t!("max {}"), &[period]),
        };
        self.write(c!("linux.resources.cpu.quota"), s!("cpu.max"), text);
    }

    fn list(&mut self, field: &'static CStr, file: &'static CStr, list: Option<&'a CStr>) {
        if let Some(list) = list.filter(|list| !list.is_empty()) {
            self.write(field, file, list);
        }
    }

    fn pids(&mut self, resources: &Resources) {
        let limit = resources.pids.limit.map(|limit| match limit {
            // None but itself: the kernel counts a process where it is born, so that 0 would keep it from being there.
            0 if !self.zero_is_unset => 1,
            1.. => limit.unsigned_abs(),
            _ => MAX,
        });
        self.limit(c!("linux.resources.pids.limit"), s!("pids.max"), limit);
    }

    fn block_io(&mut self, block_io: &BlockIo, bfq: bool) {
        // BFQ has kept the range of v1; io.weight goes from 1 to 10000.
        let file = if bfq { s!("io.bfq.weight") } else { s!("io.weight") };
        let scaled = |weight: u16| {
            let weight = u64::from(weight);
            if bfq { weight } else { 1 + (weight - 10) * 9999 / 990 }
        };
        let is_right = |weight: &u16| (10..=1000).contains(weight);
        let field = c!("linux.resources.blockIO.weight");
        if let Some(weight) = block_io.weight.filter(|weight| *weight != 0) {
            if !is_right(&weight) {
                return self.to.refuse(field, WEIGHT_RANGE);
            }
            self.limit(field, file, Some(scaled(weight)));
        }
        let field = c!("linux.resources.blockIO.weightDevice");
        for (number, device) in block_io.weight_device.iter().enumerate() {
            match device.weight.filter(is_right) {
                Some(weight) => self.of_device(field, file, device, "", scaled(weight)),
                None => self.to.refuse_entry(field, number, WEIGHT_RANGE),
            }
        }
        for ((field, name), throttle) in THROTTLES.iter().zip(block_io.throttles) {
            for (number, device) in throttle.iter().enumerate() {
                match device.rate {
                    // As v1 has it, 0 is no limit.
                    Some(rate) => self.of_device(field, s!("io.max"), device, name, if rate == 0 { MAX } else { rate }),
                    None => self.to.refuse_entry(field, number, c!("rate: required")),
                }
            }
        }
    }

    #[inline(never)]
    fn of_device(&mut self, field: &'static CStr, file: &'static CStr, device: &DeviceLimit, name: &str, value: u64) {
        let (major, minor) = (Value::Number(device.major.into()), Value::Number(device.minor.into()));
        let value = if value == MAX { Value::Text("max") } else { Value::Number(value) };
        let text = self.to.text(t!("{}:{} {}{}"), &[major, minor, Value::Text(name), value]);
        self.write(field, file, text);
    }

    fn hugepages(&mut self, resources: &Resources<'a>) {
        let field = c!("linux.resources.hugepageLimits");
        for (number, limit) in resources.hugepage_limits.iter().enumerate() {
            if !is_page_size(limit.page_size.to_bytes()) {
                self.to.refuse_entry(field, number, c!("pageSize: must be like 64KB, 2MB or 1GB"));
            }
            let text = self.to.number(limit.limit);
            let kind = self.to.arena.pair(s!("hugetlb."), limit.page_size);
            let file = self.to.arena.pair(kind, s!(".max"));
            self.write(field, file, text);
            // What is reserved counts from the reservation on, where the kernel (5.7) can do that.
            let file = self.to.arena.pair(kind, s!(".rsvd.max"));
            self.to.push(Step::WriteCgroup { path: self.group, file, text, absent: Absent::Ok });
        }
    }

    fn rdma(&mut self, resources: &Resources<'a>) {
        let field = c!("linux.resources.rdma");
        for (number, (device, limit)) in resources.rdma.iter().enumerate() {
            if limit.handles.is_none() && limit.objects.is_none() {
                self.to.refuse_entry(field, number, c!("needs hcaHandles or hcaObjects"));
            }
            self.rdma_limit(field, device, s!(" hca_handle="), limit.handles);
            self.rdma_limit(field, device, s!(" hca_object="), limit.objects);
        }
    }

    #[inline(never)]
    fn rdma_limit(&mut self, field: &'static CStr, device: &CStr, name: &CStr, count: Option<u32>) {
        if let Some(count) = count {
            let count = self.to.number(count.into());
            let limit = self.to.arena.pair(name, count);
            let text = self.to.arena.pair(device, limit);
            self.write(field, s!("rdma.max"), text);
        }
    }

    /// Any file by its name, with a write for each line.
    fn unified(&mut self, resources: &Resources<'a>) {
        for (number, pair) in resources.unified.iter().enumerate() {
            if let Err(problem) = self.check_unified(pair.name.to_bytes()) {
                self.to.refuse_entry(c!("linux.resources.unified"), number, problem);
            }
            for line in fields(pair.value.to_bytes(), b'\n') {
                if !line.is_empty() {
                    let text = self.to.arena.copy(line);
                    self.push(pair.name, text);
                }
            }
        }
    }

    fn check_unified(&self, name: &[u8]) -> core::result::Result<(), &'static CStr> {
        if self.group.is_empty() {
            return Err(NO_GROUP);
        }
        if has(name, b'/') || name.windows(2).any(|pair| pair == b"..") {
            return Err(c!("must be a file's name, without `/` and `..`"));
        }
        // The others move, stop and kill processes, or change who has which controller.
        if name.starts_with(b"cgroup.max.") {
            return Ok(());
        }
        if name == b"cgroup" || name.starts_with(b"cgroup.") {
            return Err(c!("of cgroup's own files, only cgroup.max.depth and cgroup.max.descendants"));
        }
        match Controllers::of_file(name) {
            None => Err(c!("names no controller known")),
            Some(controller) if !self.available.has(controller) => Err(controller.missing(self.available)),
            Some(_) => Ok(()),
        }
    }

    /// Writes a number if there is one. No limit needs no controller.
    #[inline(never)]
    fn limit(&mut self, field: &'static CStr, file: &'static CStr, limit: Option<u64>) {
        match limit {
            None => {}
            Some(MAX)
                if self.group.is_empty()
                    || !Controllers::of_file(file.to_bytes()).is_some_and(|one| self.available.has(one)) => {}
            Some(MAX) => self.write(field, file, s!("max")),
            Some(number) => {
                let text = self.to.number(number);
                self.write(field, file, text);
            }
        }
    }

    /// Writes a file of a controller that must be there.
    #[inline(never)]
    fn write(&mut self, field: &'static CStr, file: &'a CStr, text: &'a CStr) {
        if self.group.is_empty() {
            self.to.refuse(field, NO_GROUP);
        }
        if let Some(controller) = Controllers::of_file(file.to_bytes())
            && !self.available.has(controller)
        {
            self.to.refuse(field, controller.missing(self.available));
        }
        self.push(file, text);
    }

    fn push(&mut self, file: &'a CStr, text: &'a CStr) {
        // A kernel without swap has no file for it, and limits it to nothing.
        let is_nothing = file == s!("memory.swap.max") && matches!(text.to_bytes(), b"0" | b"max");
        let absent = if is_nothing { Absent::Ok } else { Absent::Error };
        self.to.push(Step::WriteCgroup { path: self.group, file, text, absent });
    }

    /// An amount as v1 has it: 0 is unset, -1 is unlimited.
    fn amount(&mut self, field: &'static CStr, amount: Option<i64>) -> Option<u64> {
        let amount = amount.filter(|amount| *amount != 0)?;
        if amount < -1 {
            self.to.refuse(field, c!("must not be negative, but for -1, unlimited"));
        }
        // -1 is the same number.
        Some(amount as u64)
    }
}

const NO_GROUP: &CStr = c!("the container has no control group");
const WEIGHT_RANGE: &CStr = c!("must be from 10 to 1000");

/// In the order of `BlockIo::throttles`: the field, and what io.max calls it.
static THROTTLES: [(&CStr, &str); 4] = [
    (c!("linux.resources.blockIO.throttleReadBpsDevice"), "rbps="),
    (c!("linux.resources.blockIO.throttleWriteBpsDevice"), "wbps="),
    (c!("linux.resources.blockIO.throttleReadIOPSDevice"), "riops="),
    (c!("linux.resources.blockIO.throttleWriteIOPSDevice"), "wiops="),
];

/// cpu.weight (1 to 10000, 100 by default) for shares of v1 (2 to 262144, 1024 by default): runc's since 1.3.2 and crun's
/// since 1.23, 10 to the power of (l² + 125 l) / 612 - 7 / 34, rounded up, where l is the binary logarithm of the shares.
/// It is found as the smallest weight whose logarithm is not below that.
fn weight_of_shares(shares: u64) -> u64 {
    // cpu-v1 itself brings shares into this range.
    let logarithm = logarithm(shares.clamp(2, 262_144));
    let exponent = (logarithm * logarithm + ((125 * logarithm) << FRACTION) - (126 << (2 * FRACTION))) >> FRACTION;
    let wanted = exponent * LOGARITHM_OF_10;
    // Where the result is a whole number, the last bits must not make it the next one.
    let tolerance = 612 << (FRACTION + 3);
    let (mut low, mut high) = (1, 10_000);
    while low < high {
        let middle = (low + high) / 2;
        if ((612 * self::logarithm(middle)) << FRACTION) + tolerance >= wanted {
            high = middle
        } else {
            low = middle + 1
        }
    }
    low
}

/// Bits behind the point of a logarithm.
const FRACTION: u32 = 24;
const LOGARITHM_OF_10: u64 = logarithm(10);

/// The binary logarithm, bit by bit: squaring a number doubles its logarithm.
const fn logarithm(number: u64) -> u64 {
    let zeros = number.leading_zeros();
    let mut result = 63_u64.wrapping_sub(zeros as u64);
    // From 1 up to 2, with 31 bits behind the point.
    let mut rest = number.wrapping_shl(zeros) >> 32;
    let mut bits = 0;
    while bits < FRACTION {
        rest = rest.wrapping_mul(rest) >> 31;
        let bit = rest >> 32;
        rest >>= bit;
        result = result << 1 | bit;
        bits += 1;
    }
    result
}

/// `2MB`, as in the names of the control files.
fn is_page_size(size: &[u8]) -> bool {
    let [digits @ .., b'K' | b'M' | b'G', b'B'] = size else { return false };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights_as_floating_point_has_it() {
        for (shares, weight) in [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (u64::MAX, 10_000)] {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
        for shares in 2..=262_144_u64 {
            let logarithm = (shares as f64).log2();
            let exact = 10_f64.powf((logarithm * logarithm + 125.0 * logarithm) / 612.0 - 7.0 / 34.0);
            let weight = weight_of_shares(shares) as f64;
            // Just above a whole number the last bits decide.
            let is_near = (exact - exact.round()).abs() < 1e-5 * exact;
            assert!(weight == exact.ceil() || is_near && weight == exact.round(), "{shares}: {weight} {exact}");
        }
    }

    #[test]
    fn a_scope_is_below_every_slice_that_its_name_names() {
        const USER: &CStr = s!("/user.slice/user-7.slice/user@7.service");
        for (above, given, path) in [
            (s!(""), s!(""), Some(s!("/system.slice/pidone-web.scope/container"))),
            (s!(""), s!(":pidone:x"), Some(s!("/system.slice/pidone-x.scope/container"))),
            (s!(""), s!("machine.slice:libpod:x"), Some(s!("/machine.slice/libpod-x.scope/container"))),
            (s!(""), s!("a-b-c.slice::x"), Some(s!("/a.slice/a-b.slice/a-b-c.slice/x.scope/container"))),
            (s!(""), s!("-.slice:p:x"), Some(s!("/p-x.scope/container"))),
            (s!(""), s!("a:p:x"), None),
            (s!(""), s!(".slice:p:x"), None),
            (s!(""), s!("a--b.slice:p:x"), None),
            (s!(""), s!("-a.slice:p:x"), None),
            (s!(""), s!("a.slice:p:../x"), None),
            (s!(""), s!("a.slice:p"), None),
            (s!(""), s!("/a/x"), None),
            (USER, s!(""), Some(s!("/user.slice/user-7.slice/user@7.service/user.slice/pidone-web.scope/container"))),
            (
                USER,
                s!("user.slice:p:x"),
                Some(s!("/user.slice/user-7.slice/user@7.service/user.slice/p-x.scope/container")),
            ),
            (USER, s!("-.slice:p:x"), Some(s!("/user.slice/user-7.slice/user@7.service/p-x.scope/container"))),
        ] {
            let mut region = [0; 1024];
            let mut arena = Arena::new(&mut region);
            let mut spec = Spec::default();
            spec.linux.cgroups_path = Some(given);
            let found =
                scope(&spec, s!("web"), &Systemd { directory: s!(""), group: above }, &mut Steps::new(&mut arena));
            assert_eq!(arena.check().ok().map(|()| found), path, "{above:?} {given:?}");
        }
    }
}
