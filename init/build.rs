//! Link arguments of the binary only: no RUSTFLAGS, so build scripts and proc macros link as usual. `linker/README.md`
//! says what each is for.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker/pidone.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    // `linker/flags` leaves one out at a time, to show what it is worth.
    println!("cargo:rerun-if-env-changed=PIDONE_LINK_WITHOUT");
    let without = std::env::var("PIDONE_LINK_WITHOUT").unwrap_or_default();
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
