//! Link arguments of the binary only: no RUSTFLAGS, so build scripts and proc macros link as usual. `linker/README.md`
//! says what each is for. And the packed texts of `src/runtime/packed.rs`.

#[path = "src/runtime/model.rs"]
mod model;

use std::{env, fs};

use model::{Counters, Model};

fn main() {
    link();
    pack();
}

fn link() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker/pidone.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    // `linker/flags` leaves one out at a time, to show what it is worth.
    println!("cargo:rerun-if-env-changed=PIDONE_LINK_WITHOUT");
    let without = env::var("PIDONE_LINK_WITHOUT").unwrap_or_default();
    for argument in [
        "-nostartfiles",
        "-static",
        "-no-pie",
        "-Wl,-O2",
        // `core` is built with unwinding; its landing pads are dropped, but their personality routine is still named.
        "-Wl,--defsym=rust_eh_personality=0",
        &format!("-Wl,-T,{script}"),
    ] {
        if without.is_empty() || !argument.starts_with(&without) {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}

/// Packs the texts, a NUL behind each, in the order of `packed::Text`.
fn pack() {
    let mut bytes = Vec::new();
    for file in ["features.json", "spec.json", "spec-rootless.json", "stats.json", "help.txt"] {
        let path = format!("{}/src/runtime/texts/{file}", env!("CARGO_MANIFEST_DIR"));
        println!("cargo:rerun-if-changed={path}");
        bytes.extend(fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")));
        bytes.push(0);
    }
    println!("cargo:rerun-if-changed=src/runtime/model.rs");
    let path = env::var("OUT_DIR").expect("cargo sets it") + "/texts.packed";
    fs::write(path, packed(&bytes)).expect("the build's own directory can be written to");
}

/// Narrows the interval of the code bit by bit, and writes its bytes as they become certain.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut counters: Box<Counters> = vec![0; size_of::<Counters>()].try_into().expect("it is so long");
    let mut model = Model::new(&mut counters);
    let mut code = Vec::new();
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 != 0)) {
        code.extend(std::iter::from_fn(|| model.shift()));
        model.take(model.middle(), bit);
    }
    code.extend(std::iter::from_fn(|| model.shift()));
    // Behind the end are zeros.
    code.push(model.end());
    // Before the first bit nothing was known of the four bytes that there was room for.
    code.split_off(4)
}
