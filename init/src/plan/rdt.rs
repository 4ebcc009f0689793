//! `linux.intelRdt`: a class of service (and a group to watch it) in the machine's resctrl file system:
//! Documentation/filesystems/resctrl.rst.

use crate::plan::facts::Resctrl;
use crate::plan::step::{Place, Step};
use crate::plan::{Request, Steps, path};
use crate::text::has;
use crate::texts::CStr;

/// Where it is mounted.
pub(super) const ROOT: &CStr = s!("/sys/fs/resctrl");
const FIELD: &CStr = c!("linux.intelRdt");
const CLASS: &CStr = c!("linux.intelRdt.closID");

/// The directories of the container's class and of the group that watches the container; empty where there is none.
#[inline(never)]
fn groups<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> [&'a CStr; 2] {
    let Some(rdt) = &request.spec.linux.intel_rdt else { return [s!(""); 2] };
    let name = request.facts.name;
    let class = path::join(to.arena, ROOT, rdt.class.unwrap_or(name));
    let monitor =
        if rdt.monitoring { to.arena.string(&[class.to_bytes(), b"/mon_groups/", name.to_bytes()]) } else { s!("") };
    [class, monitor]
}

/// On the machine: the directories and what the class may use.
pub(super) fn outside<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let Some(rdt) = &request.spec.linux.intel_rdt else { return };
    let known = request.facts.resctrl;
    if known == Resctrl::Absent {
        to.refuse(FIELD, c!("no resctrl file system is mounted on /sys/fs/resctrl"));
    }
    let name = rdt.class.unwrap_or_default();
    if path::goes_up(name) || name == s!(".") || name != s!("/") && has(name.to_bytes(), b'/') {
        to.refuse(CLASS, c!("must be a name, or / for the default class"));
    }
    let [class, monitor] = groups(request, to);
    if known == Resctrl::Mounted {
        to.make_directory(&Place::machine(class));
    }
    let schemata = path::join(to.arena, class, s!("schemata"));
    let is_others = known == Resctrl::Class && rdt.class.is_some();
    let mut is_set = false;
    let mut schema = |line: &'a CStr| {
        is_set = true;
        if has(line.to_bytes(), b'\n') {
            to.refuse(FIELD, c!("a schema must be one line"));
        }
        if is_others {
            // A class that others have made must be as it is said to be, and stay so.
            to.push(Step::ExpectLine { path: schemata, text: line });
        } else {
            let text = to.arena.pair(line, s!("\n"));
            to.write(schemata, text);
        }
    };
    rdt.l3_cache.map(&mut schema);
    rdt.memory_bandwidth.map(&mut schema);
    for line in rdt.schemata {
        schema(line);
    }
    if !is_set && known == Resctrl::Mounted && rdt.class.is_some() {
        to.refuse(CLASS, c!("there is no such class, and nothing says what it may use"));
    }
    if !monitor.is_empty() {
        to.make_directory(&Place::machine(monitor));
    }
}

/// By the container's process, while it sees the machine's files: it joins.
pub(super) fn inside<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for group in groups(request, to) {
        if !group.is_empty() {
            let tasks = path::join(to.arena, group, s!("tasks"));
            // The process that writes it.
            to.write(tasks, s!("0"));
        }
    }
}

/// When the container has ended. A class with a name of its own is for others, too.
pub(super) fn clean<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let is_shared = request.spec.linux.intel_rdt.is_some_and(|rdt| rdt.class.is_some());
    for (number, path) in groups(request, to).into_iter().enumerate().rev() {
        if !(path.is_empty() || number == 0 && is_shared) {
            to.push(Step::RemoveDirectory { path });
        }
    }
}
