//! A short hard life; `just soak` is the long one.

use anyhow::{Result, ensure};
use qemu_tests::soak;

#[test]
fn a_hard_life_leaves_the_machine_as_it_was() -> Result<()> {
    let end = soak::run(20, 7)?;
    soak::verdict(&end)?;
    let done: u64 = end.probe("soak.done").concat().parse()?;
    ensure!(done >= 10, "only {done} containers");
    Ok(())
}
