//! Link arguments of the binary only: no RUSTFLAGS, so build scripts and proc macros link as usual.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker/pidone.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
        // `core` is built with unwinding; its landing pads are dropped, but their personality routine is still named.
        "-Wl,--defsym=rust_eh_personality=0",
        &format!("-Wl,-T,{script}"),
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
