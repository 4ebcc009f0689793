//! What the targets begin with: real files and the cases of the tests, where they are; and `corpus/TARGET/` for the rest.

use std::fs;
use std::path::{Path, PathBuf};

use pidone::control::wire;
use pidone::texts::CStr;

/// The repository's root.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository")
}

/// All seeds of a target, in the order of their names.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let own = files(&format!("fuzz/corpus/{target}"), "");
    let plans = ["init/src/config/samples", "init/src/plan/golden"];
    match target {
        "config" | "runtime" => {
            let suffix = format!(".{target}.json");
            own.into_iter().chain(plans.iter().flat_map(|folder| files(folder, &suffix))).collect()
        }
        "netlink" => own.into_iter().chain(captures()).collect(),
        // A request, what is said of the machine, and what of a container.
        "control" => {
            let said = |kind| wire::encode(&[kind; wire::WORDS], CStr::of(c"web")).to_vec();
            [b"?web".to_vec(), said(wire::MACHINE), said(wire::CONTAINER)].into_iter().chain(own).collect()
        }
        // Both messages that there are, and one that there is not.
        "messages" => {
            [1, 2, 3].map(|kind| [[kind, 0, 7, 0, 0, 0, 0, 0], [9; 8]].concat()).into_iter().chain(own).collect()
        }
        _ => own,
    }
}

/// Answers of kernels: hexadecimal digits up to a bar, then a remark; a datagram ends at an empty line.
fn captures() -> impl Iterator<Item = Vec<u8>> {
    let texts = files("mini-netlink/captures", ".txt");
    let texts = texts.into_iter().map(|text| String::from_utf8_lossy(&text).into_owned());
    let datagrams = texts.flat_map(|text| text.split("\n\n").map(bytes).collect::<Vec<_>>());
    datagrams.filter(|datagram| !datagram.is_empty())
}

fn bytes(text: &str) -> Vec<u8> {
    let lines = text.lines().filter_map(|line| line.split_once('|'));
    let digits: Vec<u8> =
        lines.flat_map(|(digits, _)| digits.chars().filter_map(|digit| Some(digit.to_digit(16)? as u8))).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn files(folder: &str, suffix: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(repository().join(folder)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(suffix) && path.is_file());
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}
