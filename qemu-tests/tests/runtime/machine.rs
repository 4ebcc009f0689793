//! The same commands in a virtual machine, where PID 1 has containers of its own.

use serde_json::{Value, json};

#[test]
fn the_containers_of_a_machine_are_seen_and_entered_from_its_console() -> anyhow::Result<()> {
    use qemu_tests::container::Container;
    use qemu_tests::image::Image;
    use qemu_tests::observation;
    let script = "sleep 2; echo; echo + selinux; ls /machine/sys/fs/selinux; run() { echo; echo \"+ $*\"; chroot /machine /init \"$@\"; echo \"= $?\"; }
        run list -q; run state web; run exec web echo from web; run exec web sh -c 'exit 4'; run exec -t web tty
        run exec --process-label unlabeled web cat /proc/self/attr/current; run ps web; run pause web; run list; run resume web; run kill web KILL; sleep 1; run list -q; run state web";
    let image = Image::new()?
        .service(Container::shell("web", "while true; do sleep 1; done"))
        .service(Container::shell("operator", script).pid_host().capability_all().bind("/:/machine").device_all("a"));
    // Without a policy the kernel knows its own labels, and denies nothing.
    let seen = observation::boot(image, "security=selinux")?;
    let out = seen.output("operator");
    let after = |command: &str| {
        let text = out.split_once(&format!("+ {command}\n")).map_or("", |(_, text)| text);
        text.split("\n\n+ ").next().unwrap_or_default().trim_end().to_owned()
    };
    let about = || format!("{out}\n{}", seen.errors("operator"));
    let mut names: Vec<String> = after("list -q").lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["= 0", "operator", "web"], "{}", about());
    let state: Value = serde_json::from_str(after("state web").lines().next().unwrap_or_default())?;
    assert_eq!((&state["status"], &state["bundle"]), (&json!("running"), &json!("/containers/services/web")));
    assert_eq!(after("exec web echo from web"), "from web\n= 0", "{}", about());
    assert_eq!(after("exec web sh -c exit 4"), "= 4", "{}", about());
    assert_eq!(after("exec -t web tty").replace("\r", ""), "/dev/pts/0\n= 0", "{}", about());
    let label = after("exec --process-label unlabeled web cat /proc/self/attr/current");
    if after("selinux").contains("enforce") {
        // From Linux 6.8 on whatever is executed then is `init`.
        assert!(["unlabeled= 0", "init= 0"].contains(&&*label.replace('\0', "")), "{}", about());
    } else {
        assert!(
            seen.errors("operator").contains("process.selinuxLabel: the kernel does not use SELinux"),
            "{}",
            about()
        );
    }
    assert!(after("ps web").contains("sleep 1"), "{}", about());
    assert!(after("list").contains("paused"), "{}", about());
    assert_eq!(after("kill web KILL"), "= 0", "{}", about());
    let (_, last) = out.rsplit_once("+ list -q").unwrap_or_default();
    assert!(last.starts_with("\noperator\n= 0"), "{}", about());
    assert!(last.ends_with("= 1\n") && seen.errors("operator").contains("container does not exist"), "{}", about());
    Ok(())
}
