//! `soak [SECONDS [SEED]]`: a hard life for a machine, and what it has left behind. Prints a table; fails if anything has.

use anyhow::Result;
use qemu_tests::soak;

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse());
    let seconds = numbers.next().transpose()?.unwrap_or(3600);
    let seed = numbers.next().transpose()?.unwrap_or(1);
    let end = soak::run(seconds, seed)?;
    println!("{:12} {:>10} {:>10}", "", "before", "after");
    for (name, before, after) in soak::counts(&end) {
        println!("{name:12} {before:>10} {after:>10}");
    }
    println!("{} containers, {} processes killed", end.probe("soak.done").concat(), end.probe("soak.killed").concat());
    soak::verdict(&end)
}
