//! Which measurements are made.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::bundle::{self, Options};
use super::runtime::{FLOOR_FILTER, Runtime};
use super::sample::{Usage, measure, reap};
use super::{filter, ground};

/// What `true` is in the bundles.
const TRUE: &[&str] = &["/bin/true"];
/// A program that stays.
const STAY: &[&str] = &["/bin/sleep", "100000"];

/// What is done with a container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `run`, to the end of the program.
    Run,
    /// `create`, `start`, the end of the program, `delete`.
    Cycle,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Case {
    /// How it is called there.
    pub name: &'static str,
    /// What is done.
    pub work: Work,
    /// With which bundle.
    pub options: Options,
}

const NONE: Options = Options { all_devices: false, network: false, seccomp: false, limits: false };
const ALL_DEVICES: Options = Options { all_devices: true, ..NONE };

/// All cases. Their names are those of the bars in `report`; those with all devices are made where crun can load no filter.
pub const CASES: &[Case] = &[
    Case { name: "run", work: Work::Run, options: NONE },
    Case { name: "run, own network", work: Work::Run, options: Options { network: true, ..NONE } },
    Case { name: "run, seccomp", work: Work::Run, options: Options { seccomp: true, ..NONE } },
    Case { name: "run, limits", work: Work::Run, options: Options { limits: true, ..NONE } },
    Case { name: "cycle", work: Work::Cycle, options: NONE },
    Case { name: "cycle, own network", work: Work::Cycle, options: Options { network: true, ..NONE } },
    Case { name: "cycle, seccomp", work: Work::Cycle, options: Options { seccomp: true, ..NONE } },
    Case { name: "run, all devices", work: Work::Run, options: ALL_DEVICES },
    Case { name: "run, own network, all devices", work: Work::Run, options: Options { network: true, ..ALL_DEVICES } },
    Case { name: "run, seccomp, all devices", work: Work::Run, options: Options { seccomp: true, ..ALL_DEVICES } },
    Case { name: "cycle, all devices", work: Work::Cycle, options: ALL_DEVICES },
    Case {
        name: "cycle, own network, all devices",
        work: Work::Cycle,
        options: Options { network: true, ..ALL_DEVICES },
    },
];

/// What one runtime used in one case, a sample a round.
#[derive(Default)]
pub struct Samples {
    /// All of it.
    pub total: Vec<Usage>,
    /// The commands of a cycle: create, start, the program, delete.
    pub parts: [Vec<Usage>; 4],
    /// Why there are none.
    pub failure: Option<String>,
}

/// Measures a case, `rounds` times every runtime in turn.
pub fn run_case(case: &Case, runtimes: &[Runtime], rounds: usize) -> Result<Vec<Samples>> {
    let bundle = bundle::make(&case.name.replace([',', ' '], "-"), TRUE, case.options)?;
    if case.options.seccomp {
        fs::write(FLOOR_FILTER, filter::floor_program()?)?;
    }
    let mut samples: Vec<Samples> = runtimes.iter().map(|_| Samples::default()).collect();
    for round in 0..rounds {
        for turn in 0..runtimes.len() {
            // Nobody always comes after the same one.
            let index = (turn + round) % runtimes.len();
            let (runtime, samples) = (&runtimes[index], &mut samples[index]);
            if samples.failure.is_some() {
                continue;
            }
            if let Err(error) = one(case, runtime, &bundle, samples) {
                samples.failure = Some(format!("{error:#}"));
                ground::clear()?;
            }
        }
    }
    Ok(samples)
}

fn one(case: &Case, runtime: &Runtime, bundle: &Path, samples: &mut Samples) -> Result<()> {
    let (id, options) = ("bench", case.options);
    let commands = match case.work {
        Work::Run => vec![runtime.run(id, bundle, TRUE, options)],
        Work::Cycle => {
            vec![runtime.create(id, bundle, TRUE, options), runtime.start(id), reap(), runtime.delete(id)]
        }
    };
    let usages = measure(&commands)?;
    samples.total.push(usages.iter().fold(Usage::default(), |sum, usage| sum.and(*usage)));
    for (part, usage) in samples.parts.iter_mut().zip(usages).filter(|_| case.work == Work::Cycle) {
        part.push(usage);
    }
    Ok(())
}

/// How many containers are alive when one more is made.
pub const CROWDS: [usize; 4] = [1, 10, 100, 1000];
/// Of how many the cost is taken at each of them.
const WINDOW: usize = 9;

/// The cost of `create` and `start` beside as many containers alive as [`CROWDS`] says, `most` at most.
pub fn run_crowd(runtime: &Runtime, most: usize) -> Result<Vec<(usize, Vec<Usage>)>> {
    const BATCH: usize = 30;
    let bundle = bundle::make(&format!("crowd-{}", runtime.name), STAY, NONE)?;
    let crowds: Vec<usize> = CROWDS.into_iter().filter(|crowd| *crowd <= most).collect();
    let all = crowds.last().map_or(0, |crowd| crowd + WINDOW);
    let mut costs = Vec::new();
    while costs.len() < all {
        let batch = costs.len()..all.min(costs.len() + BATCH);
        let commands: Vec<_> = batch
            .flat_map(|number| {
                let id = format!("crowd{number}");
                [runtime.create(&id, &bundle, STAY, NONE), runtime.start(&id)]
            })
            .collect();
        costs.extend(measure(&commands)?.chunks(2).map(|pair| pair[0].and(pair[1])));
    }
    ground::clear()?;
    Ok(crowds.into_iter().map(|crowd| (crowd, costs[crowd..crowd + WINDOW].to_vec())).collect())
}
