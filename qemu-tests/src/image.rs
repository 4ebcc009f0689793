//! A bootable image in LinuxKit's layout, with pidone as its init.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::artifacts::pidone_binary;
use crate::container::{Container, Generation};
use crate::kernel::Kernel;
use crate::modules;
use crate::root::Root;
use crate::tree::Tree;
use crate::vm::{self, End, Ending, Vm};

/// An image to be built.
pub struct Image {
    kernel: Kernel,
    tree: Tree,
    init: Option<PathBuf>,
    modules: Vec<String>,
    onboot: Vec<Container>,
    onshutdown: Vec<Container>,
    services: Vec<Container>,
    volumes: Vec<(String, Option<Root>)>,
    unpacked: Vec<(Root, String)>,
}

impl Image {
    /// An image for the kernel the environment asks for, with the usual modules and nothing to run.
    pub fn new() -> Result<Image> {
        let mut tree = Tree::new();
        for directory in ["bin", "containers", "dev", "etc", "lib", "mnt", "proc", "run", "sbin", "sys", "usr", "var"] {
            tree.directory(directory, 0o755);
        }
        tree.directory("tmp", 0o1777).directory("root", 0o700);
        tree.file("etc/hostname", 0o644, "pidone-test\n");
        tree.symlink("etc/resolv.conf", "/run/resolvconf/resolv.conf");
        Ok(Image {
            kernel: Kernel::from_environment()?,
            tree,
            init: None,
            modules: modules::USUAL.iter().map(|name| (*name).into()).collect(),
            onboot: Vec::new(),
            onshutdown: Vec::new(),
            services: Vec::new(),
            volumes: Vec::new(),
            unpacked: Vec::new(),
        })
    }

    /// Another kernel than the one the environment asks for.
    pub fn kernel(mut self, kernel: &Kernel) -> Image {
        self.kernel = kernel.clone();
        self
    }

    /// Another program than pidone as `/init`.
    pub fn init(mut self, path: impl Into<PathBuf>) -> Image {
        self.init = Some(path.into());
        self
    }

    /// Another choice of modules than the usual one.
    pub fn modules(mut self, names: &[&str]) -> Image {
        self.modules = names.iter().map(|name| (*name).into()).collect();
        self
    }

    /// A container that runs to its end before the next one.
    pub fn onboot(mut self, container: Container) -> Image {
        self.onboot.push(container);
        self
    }

    /// A container that runs when the machine goes down.
    pub fn onshutdown(mut self, container: Container) -> Image {
        self.onshutdown.push(container);
        self
    }

    /// A container that runs beside the others.
    pub fn service(mut self, container: Container) -> Image {
        self.services.push(container);
        self
    }

    /// A volume: writable, over an image or empty.
    pub fn volume(mut self, name: &str, root: Option<&Root>) -> Image {
        self.volumes.push((name.into(), root.cloned()));
        self
    }

    /// A file outside all containers, or one more inside a bundle.
    pub fn file(mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Image {
        self.tree.file(path, mode, content);
        self
    }

    /// Any other change of the tree, made before the containers are laid out.
    pub fn edit(mut self, edit: impl FnOnce(&mut Tree)) -> Image {
        edit(&mut self.tree);
        self
    }

    /// The finished tree.
    pub fn tree(mut self) -> Result<Tree> {
        let init = match self.init.take() {
            Some(path) => path,
            None => pidone_binary()?,
        };
        self.tree.host_file("init", 0o755, init);
        let modules: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        modules::add(&mut self.tree, &self.kernel, &modules)?;
        for (section, containers) in
            [("onboot", std::mem::take(&mut self.onboot)), ("onshutdown", std::mem::take(&mut self.onshutdown))]
        {
            for (index, container) in containers.into_iter().enumerate() {
                self.bundle(&format!("containers/{section}/{index:03}-{}", container.name), container)?;
            }
        }
        for container in std::mem::take(&mut self.services) {
            self.bundle(&format!("containers/services/{}", container.name), container)?;
        }
        for (name, root) in std::mem::take(&mut self.volumes) {
            let volume = format!("containers/volumes/{name}");
            for directory in ["lower", "tmp", "merged"] {
                self.tree.directory(&format!("{volume}/{directory}"), 0o755);
            }
            if let Some(root) = root {
                self.tree.tree(&format!("{volume}/lower"), &root.as_unpacked());
            }
        }
        Ok(self.tree)
    }

    /// A guest that boots the image from an initramfs.
    pub fn vm(self) -> Result<vm::Builder> {
        let kernel = self.kernel.clone();
        Ok(Vm::new(&kernel).initramfs(&self.tree()?))
    }

    /// Boots the image with more kernel options, and waits until it has powered itself off because nothing is left to run.
    pub fn run(self, options: &str) -> Result<End> {
        let mut vm = self.vm()?.append("pidone.idle=poweroff").append(options).start()?;
        vm.expect(Ending::PowerOff)
    }

    fn bundle(&mut self, bundle: &str, container: Container) -> Result<()> {
        let root = match &container.root {
            Some(root) => root.clone(),
            None => Root::probe()?,
        };
        let read_only = container.is_read_only();
        let place = format!("{bundle}/{}", if read_only { "rootfs" } else { "lower" });
        let source = self.unpack(&root, place, container.generation);
        self.tree.directory(&format!("{bundle}/rootfs"), 0o755);
        if !read_only {
            self.tree.directory(&format!("{bundle}/tmp"), 0o755);
        }
        let root_mounts = if read_only { read_only_mounts(bundle, &source) } else { overlay_mounts(bundle, &source) };
        self.tree.file(&format!("{bundle}/config.json"), 0o644, container.config_json());
        if let Some(runtime) = container.runtime_json(root_mounts) {
            self.tree.file(&format!("{bundle}/runtime.json"), 0o644, runtime);
        }
        Ok(())
    }

    /// Unpacks a root at `place`, or finds where an earlier bundle has it. The first builders knew no sharing.
    fn unpack(&mut self, root: &Root, place: String, generation: Generation) -> String {
        let known = self.unpacked.iter().find(|(other, _)| other.is(root));
        if let (Generation::Current, Some((_, elsewhere))) = (generation, known) {
            return elsewhere.clone();
        }
        self.tree.tree(&place, &root.as_unpacked());
        if generation == Generation::Current {
            self.unpacked.push((root.clone(), place.clone()));
        }
        place
    }
}

fn overlay_mounts(bundle: &str, lower: &str) -> Vec<Value> {
    let layers =
        [format!("lowerdir=/{lower}"), format!("upperdir=/{bundle}/tmp/upper"), format!("workdir=/{bundle}/tmp/work")];
    vec![
        json!({ "destination": format!("/{bundle}/tmp"), "type": "tmpfs", "source": "tmpfs" }),
        json!({ "destination": format!("/{bundle}/tmp"), "options": ["remount", "private"] }),
        json!({ "destination": format!("/{bundle}/rootfs"), "type": "overlay", "source": "overlay", "options": layers }),
    ]
}

fn read_only_mounts(bundle: &str, source: &str) -> Vec<Value> {
    vec![json!({ "destination": format!("/{bundle}/rootfs"), "source": format!("/{source}"), "options": ["bind"] })]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small_root() -> Root {
        let mut tree = Tree::new();
        tree.file("bin/x", 0o755, "x").file("etc/hostname", 0o644, "theirs");
        Root::new(tree)
    }

    #[test]
    fn a_root_used_twice_is_stored_once() {
        let root = small_root();
        let image = Image::new().unwrap().init("/dev/null").modules(&[]);
        let image = image.onboot(Container::new("a").root(&root)).service(Container::new("b").root(&root).read_only());
        let tree = image.tree().unwrap();
        assert!(tree.contains("containers/onboot/000-a/lower/bin/x"));
        assert!(tree.contains("containers/onboot/000-a/tmp") && tree.contains("containers/onboot/000-a/rootfs"));
        assert!(!tree.contains("containers/onboot/000-a/lower/etc/hostname"));
        assert!(!tree.contains("containers/services/b/rootfs/bin/x"));
        let runtime: Value = serde_json::from_str(&tree.text("containers/services/b/runtime.json").unwrap()).unwrap();
        let expected = json!([{
            "destination": "/containers/services/b/rootfs",
            "source": "/containers/onboot/000-a/lower",
            "options": ["bind"],
        }]);
        assert_eq!(runtime["mounts"], expected);
    }

    #[test]
    fn a_seed_bundle_has_its_own_root_and_no_runtime_file() {
        let root = small_root();
        let image = Image::new().unwrap().init("/dev/null").modules(&[]);
        let seed = |name| Container::new(name).root(&root).generation(Generation::Seed);
        let tree = image.onboot(seed("a")).onboot(seed("b").read_only()).tree().unwrap();
        assert!(tree.contains("containers/onboot/000-a/lower/bin/x"));
        assert!(tree.contains("containers/onboot/001-b/rootfs/bin/x"));
        assert!(!tree.contains("containers/onboot/000-a/runtime.json"));
    }
}
