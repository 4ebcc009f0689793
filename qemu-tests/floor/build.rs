//! Linked as the product is: see `init/build.rs`.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../linker/pidone.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    for argument in [
        "-nostartfiles",
        "-static",
        "-no-pie",
        "-Wl,-O2",
        "-Wl,--defsym=rust_eh_personality=0",
        &format!("-Wl,-T,{script}"),
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
