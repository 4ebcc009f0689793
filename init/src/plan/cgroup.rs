//! Control groups: `cgroupsPath`, runtime.json's `cgroups`, and `linux.resources` as files of cgroup v2.
//! Documentation/admin-guide/cgroup-v2.rst; the values of v1 are converted as runc and crun do it.

use core::ffi::CStr;

use crate::arena::Arena;
use crate::config::spec::{Resources, Spec};
use crate::error::{Error, Result};
use crate::plan::facts::{Controllers, Facts};
use crate::plan::step::Step;
use crate::plan::{Request, Steps, path};
use crate::text::fields;

/// The kernel's default `cpu.cfs_period_us`.
const PERIOD_DEFAULT_US: u64 = 100_000;

/// The container's own group, from the root of all groups.
pub(super) fn group<'a>(spec: &Spec<'a>, facts: &Facts<'a>, arena: &mut Arena<'a>) -> Result<&'a CStr> {
    let field = c"linux.cgroupsPath";
    let Some(given) = spec.linux.cgroups_path.filter(|path| !path.is_empty()) else {
        let path = arena.string(&[b"/", facts.section.group().as_bytes(), b"/", facts.name.to_bytes()])?;
        return path::join(arena, c"/", path);
    };
    if !path::is_absolute(given) && fields(given.to_bytes(), b':').count() == 3 {
        return Err(Error::refused(field, c"the form slice:prefix:name needs systemd, which is not there"));
    }
    if path::goes_up(given) {
        return Err(Error::refused(field, c"must not contain `..`"));
    }
    if path::same(given, c"/") {
        return Err(Error::refused(field, c"must not be the root of all groups"));
    }
    path::join(arena, c"/", given)
}

/// runtime.json's groups.
pub(super) fn runtime_groups<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<()> {
    for (number, group) in request.runtime.cgroups.iter().enumerate() {
        if path::goes_up(group) || path::same(group, c"/") {
            return Err(Error::refused_entry(c"runtime.json: cgroups", number, c"must be a path without `..`"));
        }
        let path = path::join(to.arena, c"/", group)?;
        to.push(Step::MakeCgroup { path })?;
    }
    Ok(())
}

/// The container's own group and its limits.
pub(super) fn limits<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<()> {
    to.push(Step::MakeCgroup { path: request.cgroup })?;
    let resources = &request.spec.linux.resources;
    let mut files = Files { group: request.cgroup, available: request.facts.controllers, to };
    files.memory(resources)?;
    files.cpu(resources)?;
    files.pids(resources)?;
    files.block_io(resources, request.facts.bfq_weight)?;
    files.hugepages(resources)?;
    // Last: what is said in the kernel's own terms counts.
    files.unified(resources)
}

/// The control files of one group.
struct Files<'t, 's, 'a> {
    group: &'a CStr,
    available: Controllers,
    to: &'t mut Steps<'s, 'a>,
}

/// A value of a control file.
#[derive(Clone, Copy)]
enum Value {
    Max,
    Number(u64),
}

impl<'a> Files<'_, '_, 'a> {
    fn memory(&mut self, resources: &Resources) -> Result<()> {
        let (limit_field, swap_field) = (c"linux.resources.memory.limit", c"linux.resources.memory.swap");
        let limit = amount(limit_field, resources.memory.limit)?;
        let reservation = amount(c"linux.resources.memory.reservation", resources.memory.reservation)?;
        // v1 counts memory and swap together, v2 swap alone.
        let swap = match (amount(swap_field, resources.memory.swap)?, limit) {
            (None, _) => None,
            (Some(Value::Max), _) => Some(Value::Max),
            (Some(Value::Number(both)), Some(Value::Number(memory))) if both >= memory => {
                Some(Value::Number(both - memory))
            }
            (Some(_), Some(Value::Number(_))) => {
                return Err(Error::refused(swap_field, c"must not be less than memory.limit, which it includes"));
            }
            (Some(_), _) => return Err(Error::refused(swap_field, c"needs a memory.limit, which it includes")),
        };
        self.value(Controllers::MEMORY, swap_field, c"memory.swap.max", swap)?;
        self.value(Controllers::MEMORY, limit_field, c"memory.max", limit)?;
        self.value(Controllers::MEMORY, c"linux.resources.memory.reservation", c"memory.low", reservation)
    }

    fn cpu(&mut self, resources: &Resources<'a>) -> Result<()> {
        let cpu = &resources.cpu;
        // cpu-v1 itself brings shares into this range. 0 is unset.
        let shares = cpu.shares.filter(|shares| *shares != 0).map(|shares| shares.clamp(2, 262_144));
        let weight = shares.map(|shares| Value::Number(1 + (shares - 2) * 9999 / 262_142));
        self.value(Controllers::CPU, c"linux.resources.cpu.shares", c"cpu.weight", weight)?;
        if let Some(idle) = cpu.idle {
            if !(0..=1).contains(&idle) {
                return Err(Error::refused(c"linux.resources.cpu.idle", c"must be 0 or 1"));
            }
            // After the weight, which an idle group refuses.
            let idle = Some(Value::Number(idle.unsigned_abs()));
            self.value(Controllers::CPU, c"linux.resources.cpu.idle", c"cpu.idle", idle)?;
        }
        self.bandwidth(resources)?;
        // After the quota, which it must not exceed.
        let burst = cpu.burst.map(Value::Number);
        self.value(Controllers::CPU, c"linux.resources.cpu.burst", c"cpu.max.burst", burst)?;
        self.list(c"linux.resources.cpu.cpus", c"cpuset.cpus", cpu.cpus)?;
        self.list(c"linux.resources.cpu.mems", c"cpuset.mems", cpu.mems)
    }

    fn bandwidth(&mut self, resources: &Resources) -> Result<()> {
        let quota = resources.cpu.quota.filter(|quota| *quota != 0);
        let period = resources.cpu.period.filter(|period| *period != 0);
        if quota.is_none() && period.is_none() {
            return Ok(());
        }
        let quota = quota.and_then(|quota| u64::try_from(quota).ok());
        if !self.available.has(Controllers::CPU) && quota.is_none() {
            return Ok(());
        }
        self.need(Controllers::CPU, c"linux.resources.cpu.quota")?;
        let period = period.unwrap_or(PERIOD_DEFAULT_US);
        let text = self.to.text(|line| {
            match quota {
                Some(quota) => line.number(quota),
                None => line.text("max"),
            };
            line.byte(b' ').number(period);
        })?;
        self.write(c"cpu.max", text)
    }

    fn list(&mut self, field: &'static CStr, file: &'static CStr, list: Option<&'a CStr>) -> Result<()> {
        let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(()) };
        self.need(Controllers::CPUSET, field)?;
        self.write(file, list)
    }

    fn pids(&mut self, resources: &Resources) -> Result<()> {
        let limit = resources.pids_limit.map(|limit| match u64::try_from(limit) {
            Ok(0) | Err(_) => Value::Max,
            Ok(limit) => Value::Number(limit),
        });
        self.value(Controllers::PIDS, c"linux.resources.pids.limit", c"pids.max", limit)
    }

    fn block_io(&mut self, resources: &Resources, bfq: bool) -> Result<()> {
        let field = c"linux.resources.blockIO.weight";
        let Some(weight) = resources.block_io_weight.filter(|weight| *weight != 0) else { return Ok(()) };
        if !(10..=1000).contains(&weight) {
            return Err(Error::refused(field, c"must be from 10 to 1000"));
        }
        let weight = u64::from(weight);
        // BFQ has kept the range of v1; io.weight goes from 1 to 10000.
        let (file, weight) =
            if bfq { (c"io.bfq.weight", weight) } else { (c"io.weight", 1 + (weight - 10) * 9999 / 990) };
        self.value(Controllers::IO, field, file, Some(Value::Number(weight)))
    }

    fn hugepages(&mut self, resources: &Resources<'a>) -> Result<()> {
        let field = c"linux.resources.hugepageLimits";
        for (number, limit) in resources.hugepage_limits.iter().enumerate() {
            if !is_page_size(limit.page_size.to_bytes()) {
                return Err(Error::refused_entry(field, number, c"pageSize: must be like 64KB, 2MB or 1GB"));
            }
            self.need(Controllers::HUGETLB, field)?;
            let file = self.to.arena.string(&[b"hugetlb.", limit.page_size.to_bytes(), b".max"])?;
            let text = self.to.text(|line| {
                line.number(limit.limit);
            })?;
            self.write(file, text)?;
        }
        Ok(())
    }

    /// Any file by its name, with a write for each line.
    fn unified(&mut self, resources: &Resources<'a>) -> Result<()> {
        let field = c"linux.resources.unified";
        for (number, pair) in resources.unified.iter().enumerate() {
            let refused = |problem| Error::refused_entry(field, number, problem);
            let name = pair.name.to_bytes();
            if name.contains(&b'/') || name.windows(2).any(|pair| pair == b"..") {
                return Err(refused(c"must be a file's name, without `/` and `..`"));
            }
            let controller = fields(name, b'.').next().unwrap_or(&[]);
            if controller == b"cgroup" {
                // The others move, stop and kill processes, or change who has which controller.
                if !name.starts_with(b"cgroup.max.") {
                    return Err(refused(c"of cgroup's own files, only cgroup.max.depth and cgroup.max.descendants"));
                }
            } else {
                let controller = Controllers::named(controller).ok_or(refused(c"names no controller known"))?;
                if !self.available.has(controller) {
                    return Err(refused(controller.missing()));
                }
            }
            for line in fields(pair.value.to_bytes(), b'\n').filter(|line| !line.is_empty()) {
                let text = self.to.arena.string(&[line])?;
                self.write(pair.name, text)?;
            }
        }
        Ok(())
    }

    /// Writes a value if there is one. No limit needs no controller.
    fn value(
        &mut self,
        controller: Controllers,
        field: &'static CStr,
        file: &'static CStr,
        value: Option<Value>,
    ) -> Result<()> {
        match value {
            None => Ok(()),
            Some(Value::Max) if !self.available.has(controller) => Ok(()),
            Some(Value::Max) => self.write(file, c"max"),
            Some(Value::Number(number)) => {
                self.need(controller, field)?;
                let text = self.to.text(|line| {
                    line.number(number);
                })?;
                self.write(file, text)
            }
        }
    }

    fn need(&self, controller: Controllers, field: &'static CStr) -> Result<()> {
        if self.available.has(controller) { Ok(()) } else { Err(Error::refused(field, controller.missing())) }
    }

    fn write(&mut self, file: &'a CStr, text: &'a CStr) -> Result<()> {
        self.to.push(Step::WriteCgroup { path: self.group, file, text })
    }
}

/// An amount as v1 has it: 0 is unset, -1 is unlimited.
fn amount(field: &'static CStr, amount: Option<i64>) -> Result<Option<Value>> {
    match amount {
        None | Some(0) => Ok(None),
        Some(-1) => Ok(Some(Value::Max)),
        Some(amount) => match u64::try_from(amount) {
            Ok(amount) => Ok(Some(Value::Number(amount))),
            Err(_) => Err(Error::refused(field, c"must not be negative, but for -1, unlimited")),
        },
    }
}

/// `2MB`, as in the names of the control files.
fn is_page_size(size: &[u8]) -> bool {
    let [digits @ .., b'K' | b'M' | b'G', b'B'] = size else { return false };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
