//! Containers are what their configuration says.

mod devices;
mod endings;
mod mounts;
mod processes;
mod resources;
mod roots;
mod sections;

use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, shared};

use devices::devices;
use endings::{failures, leftovers};
use mounts::{mounts, propagation};
use processes::processes;
use resources::resources;
use roots::roots;
use sections::{order, runtime, volumes};

/// One boot with a container for every question.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let image = Image::new()?;
        let parts = [roots, processes, mounts, propagation, devices, resources, runtime, volumes, order, failures];
        let image = parts.into_iter().fold(image, |image, part| part(image));
        boot(image.onboot(leftovers()), "")
    })
}
