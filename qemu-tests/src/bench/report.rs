//! What was measured: as a table, as JSON, and held against the bars.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cases::{Case, Samples};
use super::sample::Usage;

/// The middle and the least of some figures.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub least: f64,
}

/// Of no figures there is none.
pub fn figure(figures: impl IntoIterator<Item = u64>) -> Option<Figure> {
    let mut figures: Vec<u64> = figures.into_iter().collect();
    figures.sort_unstable();
    let middle = |last: usize| (figures[last / 2] + figures[last.div_ceil(2)]) as f64 / 2.0;
    let last = figures.len().checked_sub(1)?;
    Some(Figure { median: middle(last), least: figures[0] as f64 })
}

/// Processor time of some samples, in microseconds.
pub fn cpu(samples: &[Usage]) -> Option<Figure> {
    figure(samples.iter().map(|usage| usage.cpu_us))
}

fn wall(samples: &[Usage]) -> Option<Figure> {
    figure(samples.iter().map(|usage| usage.wall_us))
}

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    /// Medians of processor time in microseconds, by case and runtime.
    cpu: BTreeMap<(String, String), f64>,
    /// The whole, for other programs.
    pub json: BTreeMap<String, Value>,
    /// What was not measured, and why.
    pub skipped: Vec<String>,
}

impl Report {
    /// Takes a case and prints its lines.
    pub fn case(&mut self, case: &Case, names: &[&'static str], samples: &[Samples]) {
        println!("{}", case.name);
        let mut entry = BTreeMap::new();
        let floor = names.iter().zip(samples).find(|(name, _)| **name == "floor");
        let floor = floor.and_then(|(_, samples)| Some((cpu(&samples.total)?, wall(&samples.total)?)));
        for (name, samples) in names.iter().zip(samples) {
            if let Some(failure) = &samples.failure {
                self.skipped.push(format!("{}: {name}: {}", case.name, failure.lines().next().unwrap_or_default()));
            }
            let Some((cpu, wall)) = cpu(&samples.total).zip(wall(&samples.total)) else { continue };
            self.cpu.insert((case.name.to_owned(), (*name).to_owned()), cpu.median);
            let rss = samples.total.iter().map(|usage| usage.rss_kb).max().unwrap_or(0);
            let ratios = floor.map_or(String::new(), |(floor_cpu, floor_wall)| {
                format!("{:>6.2}x {:>6.2}x", cpu.median / floor_cpu.median, wall.least / floor_wall.least)
            });
            println!("  {name:<8}{}{}{ratios}  {rss:>7} kB{}", milliseconds(cpu), milliseconds(wall), parts(samples));
            entry.insert(*name, to_json(samples, cpu, wall, rss));
        }
        self.json.insert(case.name.to_owned(), json!(entry));
    }

    /// Takes the cost of a container beside others and prints its line.
    pub fn crowd(&mut self, name: &str, crowds: &[(usize, Vec<Usage>)]) {
        let mut line = format!("  {name:<8}");
        let mut entry = BTreeMap::new();
        for (crowd, samples) in crowds {
            let Some(cpu) = cpu(samples) else { continue };
            self.cpu.insert((format!("crowd {crowd}"), name.to_owned()), cpu.median);
            line += &format!("{:>10.2}", cpu.median / 1000.0);
            entry.insert(crowd.to_string(), json!({"cpu_us_median": cpu.median, "cpu_us_least": cpu.least}));
        }
        println!("{line}");
        self.json.insert(format!("crowd, {name}"), json!(entry));
    }

    /// Takes the cost of a lot of containers by the command line and by PID 1, in seconds, and prints its line.
    pub fn launch(&mut self, [run, process_1]: [f64; 2]) {
        println!("a lot of containers, in a guest, instructions / 1e9\n  run {run:.2}, PID 1 {process_1:.2}");
        for (name, seconds) in [("run", run), ("PID 1", process_1)] {
            self.cpu.insert(("launch".to_owned(), name.to_owned()), seconds * 1e6);
        }
        self.json
            .insert("launch".to_owned(), json!({"run_instructions": run * 1e9, "pid_1_instructions": process_1 * 1e9}));
    }

    fn cpu_of(&self, case: &str, runtime: &str) -> Option<f64> {
        self.cpu.get(&(case.to_owned(), runtime.to_owned())).copied()
    }

    /// Holds what was measured against the bars and prints them. The bars whose figures lack are not held.
    pub fn bars(&mut self) -> Vec<Bar> {
        let over_in =
            |case: &str, above: &str, below: &str| Some(self.cpu_of(case, above)? / self.cpu_of(case, below)?);
        let over = |case: &str, above: &str, below: &str| {
            over_in(case, above, below).or_else(|| over_in(&format!("{case}, all devices"), above, below))
        };
        let mut bars = Vec::new();
        for (cases, most_floor, least_crun, least_runc) in
            [(["run", "run, own network"], 1.15, 3.0, 10.0), (["cycle", "cycle, own network"], 1.2, 4.5, 11.0)]
        {
            for case in cases {
                bars.push(Bar::at_most(format!("{case}: pidone / floor"), over(case, "pidone", "floor"), most_floor));
                bars.push(Bar::at_least(format!("{case}: crun / pidone"), over(case, "crun", "pidone"), least_crun));
                bars.push(Bar::at_least(format!("{case}: runc / pidone"), over(case, "runc", "pidone"), least_runc));
            }
        }
        let with = self.cpu_of("run, seccomp", "pidone").zip(self.cpu_of("run", "pidone"));
        let added = with.map(|(with, without)| (with - without) / 1000.0);
        bars.push(Bar::at_most("run, seccomp: what the profile adds, ms".to_owned(), added, 0.2));
        let seccomp = over("run, seccomp", "crun", "pidone");
        bars.push(Bar::at_least("run, seccomp: crun / pidone".to_owned(), seccomp, 9.0));
        let crowd = self.cpu_of("crowd 1000", "pidone").zip(self.cpu_of("crowd 10", "pidone"));
        let crowd = crowd.map(|(many, few)| many / few);
        bars.push(Bar::at_most("create and start beside 1,000 / beside 10".to_owned(), crowd, 1.1));
        bars.push(Bar::at_most("launch: PID 1 / run".to_owned(), over("launch", "PID 1", "run"), 0.8));
        bars
    }
}

/// A promise about a figure.
pub struct Bar {
    what: String,
    figure: Option<f64>,
    bound: f64,
    at_most: bool,
}

impl Bar {
    fn at_most(what: String, figure: Option<f64>, bound: f64) -> Bar {
        Bar { what, figure, bound, at_most: true }
    }

    fn at_least(what: String, figure: Option<f64>, bound: f64) -> Bar {
        Bar { what, figure, bound, at_most: false }
    }

    /// Whether it was measured, and holds.
    pub fn holds(&self) -> Option<bool> {
        let figure = self.figure?;
        Some(if self.at_most { figure <= self.bound } else { figure >= self.bound })
    }

    /// Its line in the table.
    pub fn print(&self) {
        let verdict = match self.holds() {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "NOT MEASURED",
        };
        let figure = self.figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
        let direction = if self.at_most { "at most" } else { "at least" };
        println!("  {:<46} {figure:>8}  {direction:<8} {:>5}  {verdict}", self.what, self.bound);
    }

    /// For other programs.
    pub fn json(&self) -> Value {
        json!({"what": self.what, "figure": self.figure, "bound": self.bound, "at_most": self.at_most, "holds": self.holds()})
    }
}

/// Middle and least.
fn milliseconds(figure: Figure) -> String {
    format!("{:>8.2} {:>7.2} ", figure.median / 1000.0, figure.least / 1000.0)
}

/// The commands of a cycle, by their processor time.
fn parts(samples: &Samples) -> String {
    let names = ["create", "start", "program", "delete"];
    let parts = names.iter().zip(&samples.parts);
    let parts = parts.filter_map(|(name, samples)| Some(format!("{name} {:.2}", cpu(samples)?.median / 1000.0)));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { String::new() } else { format!("   ({})", parts.join(", ")) }
}

fn to_json(samples: &Samples, cpu_figure: Figure, wall_figure: Figure, rss_kb: u64) -> Value {
    let parts: BTreeMap<_, _> = ["create", "start", "program", "delete"]
        .iter()
        .zip(&samples.parts)
        .filter_map(|(name, samples)| Some((*name, cpu(samples)?.median)))
        .collect();
    json!({
        "rounds": samples.total.len(),
        "cpu_us_median": cpu_figure.median,
        "cpu_us_least": cpu_figure.least,
        "wall_us_median": wall_figure.median,
        "wall_us_least": wall_figure.least,
        "rss_kb_most": rss_kb,
        "parts_cpu_us_median": parts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_of_figures_is_between_two() {
        let figure = |figures: &[u64]| figure(figures.iter().copied()).map(|figure| (figure.median, figure.least));
        assert_eq!(figure(&[]), None);
        assert_eq!(figure(&[7]), Some((7.0, 7.0)));
        assert_eq!(figure(&[9, 1, 4]), Some((4.0, 1.0)));
        assert_eq!(figure(&[9, 1, 4, 6]), Some((5.0, 1.0)));
    }

    #[test]
    fn a_bar_without_a_figure_neither_holds_nor_is_missed() {
        assert_eq!(Bar::at_most(String::new(), None, 1.0).holds(), None);
        assert_eq!(Bar::at_most(String::new(), Some(1.0), 1.0).holds(), Some(true));
        assert_eq!(Bar::at_least(String::new(), Some(0.9), 1.0).holds(), Some(false));
    }
}
