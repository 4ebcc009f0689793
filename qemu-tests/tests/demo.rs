//! The demonstration keeps its word: unmodified server software, in containers laid out as LinuxKit lays them out.

use anyhow::Result;
use qemu_tests::demo;
use qemu_tests::vm::Ending;

#[test]
fn unmodified_redis_and_nginx_serve_a_client_in_another_network_namespace() -> Result<()> {
    let mut vm = demo::image()?.vm()?.memory_mib(1024).append(demo::OPTIONS).start()?;
    vm.wait_for("client: 64 bytes from 10.0.1.2")?;
    vm.wait_for("client: redis GET: hello & <welcome>")?;
    vm.wait_for("client: nginx: HTTP/1.1 200 OK")?;
    vm.wait_for(demo::SUCCESS)?;
    vm.wait_for("farewell: the services have ended")?;
    vm.expect(Ending::PowerOff)?;
    Ok(())
}
