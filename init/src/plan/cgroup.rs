//! Control groups: `cgroupsPath`, runtime.json's `cgroups`, and `linux.resources` as files of cgroup v2.
//! Documentation/admin-guide/cgroup-v2.rst; the values of v1 are converted as runc and crun do it.

use core::ffi::CStr;

use crate::config::spec::{Resources, Spec};
use crate::plan::facts::{Controllers, Facts};
use crate::plan::step::Step;
use crate::plan::{Request, Steps, path};
use crate::text::{Value, fields};

/// The kernel's default `cpu.cfs_period_us`.
const PERIOD_DEFAULT_US: u64 = 100_000;

/// The container's own group, from the root of all groups.
pub(super) fn group<'a>(spec: &Spec<'a>, facts: &Facts<'a>, to: &mut Steps<'_, 'a>) -> &'a CStr {
    let field = c"linux.cgroupsPath";
    let Some(given) = spec.linux.cgroups_path.filter(|path| !path.is_empty()) else {
        let path = to.arena.string(&[facts.section.group().as_bytes(), b"/", facts.name.to_bytes()]);
        return path::join(to.arena, c"/", path);
    };
    if !path::is_absolute(given) && given.to_bytes().iter().filter(|byte| **byte == b':').count() == 2 {
        to.refuse(field, c"the form slice:prefix:name needs systemd, which is not there");
    }
    if path::goes_up(given) {
        to.refuse(field, c"must not contain `..`");
    }
    if path::same(given, c"/") {
        to.refuse(field, c"must not be the root of all groups");
    }
    path::join(to.arena, c"/", given)
}

/// runtime.json's groups.
pub(super) fn runtime_groups<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for (number, group) in request.runtime.cgroups.iter().enumerate() {
        if path::goes_up(group) || path::same(group, c"/") {
            return to.refuse_entry(c"runtime.json: cgroups", number, c"must be a path without `..`");
        }
        let path = path::join(to.arena, c"/", group);
        to.push(Step::MakeCgroup { path });
    }
}

/// The container's own group and its limits.
pub(super) fn limits<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    to.push(Step::MakeCgroup { path: request.cgroup });
    let resources = &request.spec.linux.resources;
    let mut files = Files { group: request.cgroup, available: request.facts.controllers, to };
    files.memory(resources);
    files.cpu(resources);
    files.pids(resources);
    files.block_io(resources, request.facts.bfq_weight);
    files.hugepages(resources);
    // Last: what is said in the kernel's own terms counts.
    files.unified(resources);
}

/// The control files of one group.
struct Files<'t, 's, 'a> {
    group: &'a CStr,
    available: Controllers,
    to: &'t mut Steps<'s, 'a>,
}

/// The number that stands for `max`.
const MAX: u64 = u64::MAX;

impl<'a> Files<'_, '_, 'a> {
    fn memory(&mut self, resources: &Resources) {
        let (limit_field, swap_field) = (c"linux.resources.memory.limit", c"linux.resources.memory.swap");
        let reservation_field = c"linux.resources.memory.reservation";
        let limit = self.amount(limit_field, resources.memory.limit);
        let reservation = self.amount(reservation_field, resources.memory.reservation);
        let mut swap = self.amount(swap_field, resources.memory.swap);
        // v1 counts memory and swap together, v2 swap alone.
        if let Some(both) = swap.filter(|both| *both != MAX) {
            match limit {
                None | Some(MAX) => self.to.refuse(swap_field, c"needs a memory.limit, which it includes"),
                Some(memory) if both < memory => {
                    self.to.refuse(swap_field, c"must not be less than memory.limit, which it includes");
                }
                Some(memory) => swap = Some(both - memory),
            }
        }
        self.limit(swap_field, c"memory.swap.max", swap);
        self.limit(limit_field, c"memory.max", limit);
        self.limit(reservation_field, c"memory.low", reservation);
    }

    fn cpu(&mut self, resources: &Resources<'a>) {
        let cpu = &resources.cpu;
        // cpu-v1 itself brings shares into this range. 0 is unset.
        let shares = cpu.shares.filter(|shares| *shares != 0).map(|shares| shares.clamp(2, 262_144));
        let weight = shares.map(|shares| 1 + (shares - 2) * 9999 / 262_142);
        self.limit(c"linux.resources.cpu.shares", c"cpu.weight", weight);
        if let Some(idle) = cpu.idle {
            let field = c"linux.resources.cpu.idle";
            // After the weight, which an idle group refuses.
            match idle {
                0 => self.write(field, c"cpu.idle", c"0"),
                1 => self.write(field, c"cpu.idle", c"1"),
                _ => self.to.refuse(field, c"must be 0 or 1"),
            }
        }
        self.bandwidth(resources);
        // After the quota, which it must not exceed.
        if let Some(burst) = cpu.burst {
            let text = self.to.number(burst);
            self.write(c"linux.resources.cpu.burst", c"cpu.max.burst", text);
        }
        self.list(c"linux.resources.cpu.cpus", c"cpuset.cpus", cpu.cpus);
        self.list(c"linux.resources.cpu.mems", c"cpuset.mems", cpu.mems);
    }

    fn bandwidth(&mut self, resources: &Resources) {
        let quota = resources.cpu.quota.unwrap_or(0);
        let period = resources.cpu.period.unwrap_or(0);
        if quota == 0 && period == 0 || quota <= 0 && !self.available.has(Controllers::CPU) {
            return;
        }
        let period = Value::Number(if period == 0 { PERIOD_DEFAULT_US } else { period });
        let text = match quota {
            1.. => self.to.text("{} {}", &[Value::Number(quota.unsigned_abs()), period]),
            _ => self.to.text("max {}", &[period]),
        };
        self.write(c"linux.resources.cpu.quota", c"cpu.max", text);
    }

    fn list(&mut self, field: &'static CStr, file: &'static CStr, list: Option<&'a CStr>) {
        if let Some(list) = list.filter(|list| !list.is_empty()) {
            self.write(field, file, list);
        }
    }

    fn pids(&mut self, resources: &Resources) {
        let limit = resources.pids_limit.map(|limit| if limit <= 0 { MAX } else { limit.unsigned_abs() });
        self.limit(c"linux.resources.pids.limit", c"pids.max", limit);
    }

    fn block_io(&mut self, resources: &Resources, bfq: bool) {
        let field = c"linux.resources.blockIO.weight";
        let Some(weight) = resources.block_io_weight.filter(|weight| *weight != 0) else { return };
        if !(10..=1000).contains(&weight) {
            return self.to.refuse(field, c"must be from 10 to 1000");
        }
        let weight = u64::from(weight);
        // BFQ has kept the range of v1; io.weight goes from 1 to 10000.
        let (file, weight) =
            if bfq { (c"io.bfq.weight", weight) } else { (c"io.weight", 1 + (weight - 10) * 9999 / 990) };
        self.limit(field, file, Some(weight));
    }

    fn hugepages(&mut self, resources: &Resources<'a>) {
        let field = c"linux.resources.hugepageLimits";
        for (number, limit) in resources.hugepage_limits.iter().enumerate() {
            if !is_page_size(limit.page_size.to_bytes()) {
                self.to.refuse_entry(field, number, c"pageSize: must be like 64KB, 2MB or 1GB");
            }
            let file = self.to.arena.string(&[b"hugetlb.", limit.page_size.to_bytes(), b".max"]);
            let text = self.to.number(limit.limit);
            self.write(field, file, text);
        }
    }

    /// Any file by its name, with a write for each line.
    fn unified(&mut self, resources: &Resources<'a>) {
        for (number, pair) in resources.unified.iter().enumerate() {
            if let Err(problem) = self.check_unified(pair.name.to_bytes()) {
                self.to.refuse_entry(c"linux.resources.unified", number, problem);
            }
            for line in fields(pair.value.to_bytes(), b'\n') {
                if !line.is_empty() {
                    let text = self.to.arena.string(&[line]);
                    self.to.push(Step::WriteCgroup { path: self.group, file: pair.name, text });
                }
            }
        }
    }

    fn check_unified(&self, name: &[u8]) -> core::result::Result<(), &'static CStr> {
        if name.contains(&b'/') || name.windows(2).any(|pair| pair == b"..") {
            return Err(c"must be a file's name, without `/` and `..`");
        }
        // The others move, stop and kill processes, or change who has which controller.
        if name.starts_with(b"cgroup.max.") {
            return Ok(());
        }
        if name == b"cgroup" || name.starts_with(b"cgroup.") {
            return Err(c"of cgroup's own files, only cgroup.max.depth and cgroup.max.descendants");
        }
        match Controllers::of_file(name) {
            None => Err(c"names no controller known"),
            Some(controller) if !self.available.has(controller) => Err(controller.missing()),
            Some(_) => Ok(()),
        }
    }

    /// Writes a number if there is one. No limit needs no controller.
    #[inline(never)]
    fn limit(&mut self, field: &'static CStr, file: &'static CStr, limit: Option<u64>) {
        match limit {
            None => {}
            Some(MAX) if !Controllers::of_file(file.to_bytes()).is_some_and(|one| self.available.has(one)) => {}
            Some(MAX) => self.write(field, file, c"max"),
            Some(number) => {
                let text = self.to.number(number);
                self.write(field, file, text);
            }
        }
    }

    /// Writes a file of a controller that must be there.
    #[inline(never)]
    fn write(&mut self, field: &'static CStr, file: &'a CStr, text: &'a CStr) {
        if let Some(controller) = Controllers::of_file(file.to_bytes())
            && !self.available.has(controller)
        {
            self.to.refuse(field, controller.missing());
        }
        self.to.push(Step::WriteCgroup { path: self.group, file, text });
    }

    /// An amount as v1 has it: 0 is unset, -1 is unlimited.
    fn amount(&mut self, field: &'static CStr, amount: Option<i64>) -> Option<u64> {
        let amount = amount.filter(|amount| *amount != 0)?;
        if amount < -1 {
            self.to.refuse(field, c"must not be negative, but for -1, unlimited");
        }
        // -1 is the same number.
        Some(amount as u64)
    }
}

/// `2MB`, as in the names of the control files.
fn is_page_size(size: &[u8]) -> bool {
    let [digits @ .., b'K' | b'M' | b'G', b'B'] = size else { return false };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
