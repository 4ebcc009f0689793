//! What a container costs that PID 1 launches itself, beside the same one launched by `pidone run`: in one guest, where nothing else
//! happens. First come a lot by `run`, then one by PID 1, then again one by `run`, which is the mean of both.
//!
//! A lot's processor time is the time in which the guest's only processor was not idle: all that pidone, its
//! processes, the container's and the kernel's own did for it. The guest's clock counts instructions, a nanosecond each:
//! what an emulated processor takes for them would say how busy its host was.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::to_vec_pretty;

use super::bundle::{self, Options};
use crate::acceleration::Acceleration;
use crate::image::Image;
use crate::root::Root;
use crate::vm::Ending;

/// Containers in a lot.
const LOT: usize = 100;

/// Runs a lot by the command line. The clocks are of hundredths of a second.
fn script() -> String {
    let mut script =
        "#!/bin/sh\nmark() { read up idle < /proc/uptime; echo PROBE busy=$up $idle > /dev/ttyS1; }\nmark\n".to_owned();
    for number in 0..LOT {
        _ = writeln!(script, "/init run --bundle /containers/onboot/{number:03} of-{number} || exit 1");
    }
    script + "mark\n"
}

/// Seconds of processor time of a lot by the command line, and of one by PID 1.
pub fn measure() -> Result<[f64; 2]> {
    let root = Root::busybox()?;
    let mut config = bundle::configuration(&["/bin/true"], Options::default())?;
    config["root"]["path"] = "/root-of-all".into();
    let config = to_vec_pretty(&config)?;
    let image = Image::new()?.edit(|tree| {
        tree.tree("", root.tree()).tree("root-of-all", root.tree());
        for folder in ["dev", "proc", "sys"] {
            tree.directory(&format!("root-of-all/{folder}"), 0o755);
        }
        for place in ["etc/init.d/run", "etc/shutdown.d/run"] {
            tree.file(place, 0o755, script());
        }
        for number in 0..LOT {
            tree.file(&format!("containers/onboot/{number:03}/config.json"), 0o644, config.clone());
        }
    });
    let machine = image.vm()?.append("quiet pidone.log=error pidone.idle=poweroff").acceleration(Acceleration::Tcg);
    let machine = machine.arguments(["-icount", "shift=0,sleep=off"]).deadline(Duration::from_secs(600));
    let end = machine.start()?.expect(Ending::PowerOff)?;
    let busy: Vec<f64> = end
        .probe("busy")
        .iter()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(up, idle)| Some(up.parse::<f64>().ok()? - idle.parse::<f64>().ok()?))
        .collect();
    ensure!(busy.len() == 4, "{busy:?}\n{}", end.console);
    Ok([(busy[1] - busy[0] + busy[3] - busy[2]) / 2.0, busy[2] - busy[1]])
}
