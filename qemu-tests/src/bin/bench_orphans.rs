//! `bench_orphans [ROUNDS]`: what orphans cost process 1, pidone beside tini, catatonit and dumb-init, each process 1 of a
//! machine of its own. Two lots: ten thousand orphans that end at once, and two thousand children of others, for each of
//! which process 1 is told that a child has ended. CPU is what /proc/1/schedstat says, in nanoseconds, of which the machine's clock
//! counts one for each instruction: what an emulated processor takes would say how busy its host was. Fails if one is lost,
//! or if pidone takes more than the bar.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use qemu_tests::acceleration::Acceleration;
use qemu_tests::image::Image;
use qemu_tests::root::Root;
use qemu_tests::vm::{Ending, Vm};
use qemu_tests::{debian, kernel::Kernel};

/// Which process 1, and the kernel's options for it.
const INITS: [(&str, &str); 4] = [
    ("pidone", "pidone.log=error pidone.run -- /bin/sh /work"),
    ("tini", "rdinit=/usr/bin/tini -- /bin/sh /work"),
    ("catatonit", "rdinit=/usr/bin/catatonit -- /bin/sh /work"),
    ("dumb-init", "rdinit=/usr/bin/dumb-init -- /bin/sh /work"),
];

const WORK: &str = "mount -t proc proc /proc; mount -t devtmpfs dev /dev
probe --to /dev/ttyS1 cat /proc/1/schedstat , orphans 10000 , zombies , cat /proc/1/schedstat , storm 2000 , cat /proc/1/schedstat
poweroff -f";

/// At most this much of the best of the others.
const BAR: f64 = 1.1;

fn main() -> Result<()> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(1), |word| word.parse())?;
    let mut samples = vec![[Vec::new(), Vec::new()]; INITS.len()];
    for _ in 0..rounds {
        for (init, samples) in INITS.iter().zip(&mut samples) {
            let costs = measure(init.1).with_context(|| init.0.to_owned())?;
            samples.iter_mut().zip(costs).for_each(|(samples, cost)| samples.push(cost));
        }
    }
    let least: Vec<[f64; 2]> = samples.iter().map(|lots| [minimum(&lots[0]), minimum(&lots[1])]).collect();
    println!(
        "CPU of process 1, the least of {rounds} (ms):\n{:12} {:>14} {:>14}",
        "", "10,000 at once", "storm of 2,000"
    );
    for ((name, _), [burst, storm]) in INITS.iter().zip(&least) {
        println!("{name:12} {:>14.2} {:>14.2}", burst / 1e6, storm / 1e6);
    }
    for (lot, name) in ["10,000 at once", "storm of 2,000"].into_iter().enumerate() {
        let best = least[1..].iter().map(|costs| costs[lot]).fold(f64::MAX, f64::min);
        let ratio = least[0][lot] / best;
        println!("{name}: {ratio:.2} of the best of the others (at most {BAR})");
        ensure!(ratio <= BAR, "{name}: over the bar");
    }
    Ok(())
}

/// Nanoseconds that process 1 took for each lot.
fn measure(options: &str) -> Result<[f64; 2]> {
    let mut tree = debian::tree(&["tini", "catatonit", "dumb-init"])?;
    // They are links into /usr, where the image has directories.
    tree.remove("bin").remove("lib").remove("sbin").tree("", Root::probe()?.tree());
    tree.symlink("lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu").file("work", 0o755, WORK);
    let image = Image::new()?.edit(|image| _ = image.tree("", &tree)).tree()?;
    let machine = Vm::new(&Kernel::from_environment()?).initramfs(&image).memory_mib(3072);
    let machine = machine.deadline(Duration::from_secs(300)).append("quiet sysctl.kernel.sched_schedstats=1");
    let machine = machine.acceleration(Acceleration::Tcg).arguments(["-icount", "shift=0,sleep=off"]);
    let end = machine.append(options).start()?.expect(Ending::PowerOff)?;
    let left = (end.probe("orphans.fork"), end.probe("orphans.left"), end.probe("zombies"), end.probe("storm.lost"));
    let none = || vec!["0".to_owned()];
    ensure!(left == (vec!["ok".into()], none(), none(), none()), "{left:?}\n{}", end.console);
    let times: Vec<f64> = end.probe("cat").iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    let [before, between, after] = times[..] else { anyhow::bail!("{:?}\n{}", end.probe("cat"), end.console) };
    Ok([between - before, after - between])
}

/// What a machine takes more is what its devices asked of it meanwhile.
fn minimum(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::MAX, f64::min)
}
