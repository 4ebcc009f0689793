# Recipes for people and for checks. `just --list` explains each.

set shell := ["bash", "-euo", "pipefail", "-c"]

# What the binary may weigh, in bytes: what it weighs, and 2 % for compilers of other versions. The whole product is to
# weigh 200,000 at most: it is over that, and is to shrink.
size_budget := "268000"

# Show the recipes.
default:
    @just --list --unsorted

# Build the one static file: target/release/pidone.
build:
    cargo build --release

# Boot a virtual machine with pidone and containers in it, on this terminal.
demo: build
    cargo run -q -p qemu-tests --bin demo

# Run a command (`just vm -- COMMAND...`), or an OCI bundle (`just vm --bundle DIR`), in a throwaway machine; exits with its code.
[positional-arguments, no-exit-message]
vm *ARGUMENTS:
    @cargo run -q -p qemu-tests --bin vm -- "$@"

# Run every test: pure ones, those against this machine's kernel, and those in virtual machines.
test: check
    cargo test -q -p linker
    cargo test -q -p pidone --lib
    cargo test -q -p mini-netlink
    cargo test -q -p fuzz
    cargo test -q --no-fail-fast -p qemu-tests

# Format, lints, and the form of the binary.
check: build form
    #!/usr/bin/env bash
    set -euo pipefail
    if cargo fmt --version >/dev/null 2>&1; then
        cargo fmt --all --check
    else
        echo "SKIPPED: the format: this toolchain has no rustfmt" >&2
    fi
    if cargo clippy --version >/dev/null 2>&1; then
        cargo clippy -q --release -- -D warnings
        cargo clippy -q -p pidone --lib --tests -- -D warnings
        cargo clippy -q -p linker --all-targets -- -D warnings
        cargo clippy -q -p mini-netlink --all-targets -- -D warnings
        cargo clippy -q -p qemu-tests --all-targets -- -D warnings
        cargo clippy -q --release -p floor -- -D warnings
        cargo clippy -q -p cri-client -- -D warnings
        cargo clippy -q -p fuzz --all-targets -- -D warnings
    else
        echo "SKIPPED: the lints: this toolchain has no clippy" >&2
    fi

# Refuse a binary that is over its budget or not freestanding: static, no interpreter, no dynamic section, W^X, no executable stack.
form: build
    #!/usr/bin/env bash
    set -euo pipefail
    headers=$(readelf -hlSW target/release/pidone)
    fail() { echo "target/release/pidone: $1" >&2; exit 1; }
    grep -q 'Type: *EXEC' <<<"$headers" || fail "not a static executable"
    ! grep -qE 'INTERP|DYNAMIC' <<<"$headers" || fail "has an interpreter or a dynamic section"
    ! grep -qE '(LOAD|GNU_STACK) .* R?WE ' <<<"$headers" || fail "a segment is writable and executable"
    grep -qE 'GNU_STACK .* RW ' <<<"$headers" || fail "no stack header: the stack would be executable"
    ! strings -n 8 target/release/pidone | grep -qE 'liballoc|libc-[0-9]' || fail "holds a heap or a C library"
    bytes=$(stat -c %s target/release/pidone)
    (( bytes <= {{size_budget}} )) || fail "$bytes bytes, over the budget of {{size_budget}}: see \`just size\`"
    echo "target/release/pidone: $bytes bytes, static, no interpreter, no dynamic section, W^X, no executable stack"

# Bytes of the binary by section, crate, module and feature.
size: build
    @linker/size

# Memory of PID 1 with ten services, what of it is a container's, that of a launcher, and the timeline up to the first container's exec, measured in a guest.
mem: build
    @cargo run -q -p qemu-tests --bin measure

# An hour (or SECONDS) of crashes, kills and containers by the thousand in a guest, and what that has left behind.
soak seconds="3600" seed="1": build
    @cargo run -q -p qemu-tests --bin soak -- {{seconds}} {{seed}}

# Container cycles against crun, runc and the floor; `--check` fails when a bar is missed. Needs root, packages crun and runc.
bench *options:
    @if ! command -v crun runc >/dev/null && [[ $(id -u) == 0 ]]; then \
        apt-get -qq -y --no-install-recommends install crun runc golang-github-containers-common >/dev/null || true; fi
    @cargo build -q --release -p floor
    @cargo run -q -p qemu-tests --bin bench -- {{options}}

# What a container's network costs: `mini-netlink` against hand-written datagrams and `ip -batch`. Needs root and iproute2.
bench-netlink:
    @cargo run -q --release -p qemu-tests --bin bench_netlink

# What orphans cost process 1, beside tini, catatonit and dumb-init, each in a machine of its own.
bench-orphans rounds="1": build
    @cargo run -q -p qemu-tests --bin bench_orphans -- {{rounds}}

# Bytes of `mini-netlink` in the binary, by function, and at most 12,000 of them.
size-netlink:
    #!/usr/bin/env bash
    set -euo pipefail
    CARGO_PROFILE_RELEASE_STRIP=false CARGO_TARGET_DIR=target/unstripped cargo build --release -q
    nm -S --size-sort -C --radix=d target/unstripped/release/pidone | awk '
        /mini_netlink/ { name = $4; for (i = 5; i <= NF; i++) name = name " " $i; printf "%6d %s\n", $2, name; total += $2 }
        END {
            printf "%6d bytes of mini-netlink, at most 12000\n", total
            if (total == 0 || total > 12000) exit 1
        }'

# System calls of a container's life, beside crun's; `--check` fails above 200 for `run`. Needs root, and package strace.
syscalls *options:
    @cargo build -q --release -p floor
    @cargo run -q -p qemu-tests --bin syscalls -- {{options}}

# Let every system call of every command fail in turn, and kill its caller there: nothing may be left. Needs root.
faults *options:
    @cargo run -q -p qemu-tests --bin faults -- {{options}}

# Another runtime's own tests, of Debian's source package, against pidone in a guest: `just peers crun [FILE...]`. Needs gcc.
peers suite="crun" *files: build
    @cargo run -q -p qemu-tests --bin peers -- {{suite}} {{files}}

# Feed random bytes to one of the targets of fuzz/src/lib.rs: config, runtime, cmdline, netlink, modules, messages... Needs cargo-fuzz and g++.
fuzz target seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-fuzz >/dev/null || { echo "fuzz: cargo install cargo-fuzz; \`cargo test -p fuzz\` is the short run" >&2; exit 1; }
    mkdir -p fuzz/cargo-fuzz/corpus/{{target}}
    cargo run -q -p fuzz --bin seeds -- {{target}} fuzz/cargo-fuzz/corpus/{{target}}
    cargo fuzz run --fuzz-dir fuzz/cargo-fuzz -s none {{target}} -- -max_total_time={{seconds}} -max_len=65536 -timeout=10

# What each link argument is for, and what the binary is without it: the table of linker/README.md.
linker-flags:
    @linker/flags

# Build a small kernel that needs no modules (optional; a quarter of an hour and more). PIDONE_KERNEL=small then uses it.
kernel:
    qemu-tests/kernel/build
