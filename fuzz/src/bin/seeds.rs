//! `seeds TARGET FOLDER`: writes the seeds of a target as files, for cargo-fuzz.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [target, folder] = &words[..] else { return Err(io::Error::other("usage: seeds TARGET FOLDER")) };
    for (number, seed) in fuzz::corpus::seeds(target).iter().enumerate() {
        fs::write(Path::new(folder).join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}
