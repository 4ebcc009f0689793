//! What the caller hands over or gets: terminals, descriptors, sockets.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::host::{done, host, reap};

/// Receives a descriptor, as conmon receives the other end of a terminal.
fn receive(listener: &UnixListener) -> fs::File {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let (connection, _) = listener.accept().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut slices = [std::io::IoSliceMut::new(&mut byte)];
    recvmsg(&connection, &mut slices, &mut control, RecvFlags::empty()).unwrap();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            return fs::File::from(descriptors.next().unwrap());
        }
    }
    panic!("no descriptor came");
}

#[test]
fn a_terminal_is_the_containers_own_and_its_other_end_is_sent_to_whoever_asked() {
    let Some(host) = host("tty") else { return };
    let id = &*host.id("a");
    let program =
        "tty; readlink /proc/self/fd/0; stty size; ls -l /dev/console; echo x > /dev/console; exec sleep 1000";
    let terminal = |config: &mut Value| {
        config["process"]["terminal"] = json!(true);
        config["process"]["consoleSize"] = json!({"height": 33, "width": 77});
    };
    host.configure(&["sh", "-c", program], terminal);
    host.bad(&["create", id], "process.terminal");
    host.assert_clean();
    // A path longer than a socket's address.
    let folder = host.path(&"long".repeat(30));
    fs::create_dir(&folder).unwrap();
    let short = host.path("s");
    let listener = UnixListener::bind(&short).unwrap();
    fs::rename(&short, folder.join("s")).unwrap();
    let socket = folder.join("s");
    let socket = socket.to_str().unwrap();
    host.good(&["create", "--console-socket", socket, id]);
    let master = receive(&listener);
    host.good(&["start", id]);
    let mut lines = BufReader::new(master).lines().map(|line| line.unwrap().trim().to_owned());
    assert_eq!(lines.next().unwrap(), "/dev/pts/0");
    assert_eq!(lines.next().unwrap(), "/dev/pts/0");
    assert_eq!(lines.next().unwrap(), "33 77");
    assert!(lines.next().unwrap().contains("136,"), "/dev/console is not the terminal");
    assert_eq!(lines.next().unwrap(), "x");

    let pid_file = host.path("pid");
    let words = ["exec", "-t", "-d", "--pid-file", pid_file.to_str().unwrap(), "--console-socket", socket];
    host.good(&[&words[..], &[id, "sh", "-c", "tty; exec sleep 1000"]].concat());
    let mut lines = BufReader::new(receive(&listener)).lines().map(|line| line.unwrap().trim().to_owned());
    assert_eq!(lines.next().unwrap(), "/dev/pts/1");
    let pid = fs::read_to_string(&pid_file).unwrap();
    // Shown here, without anybody's socket.
    let out = host.good(&["exec", "-t", id, "sh", "-c", "tty; exit 0"]);
    assert!(out.starts_with("/dev/pts/"), "{out}");
    assert_eq!(host.run(&["exec", id, "kill", "-9", "1"]).code, 0);
    host.good(&["kill", "-a", id, "9"]);
    reap(&pid);
    host.good(&["delete", "-f", id]);
    host.assert_clean();
}

#[test]
fn a_descriptor_of_the_process_is_sent_to_whoever_asked() {
    let Some(host) = host("pidfd") else { return };
    let id = &*host.id("a");
    let path = host.path("s");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = path.to_str().unwrap();
    let pid_of = |descriptor: fs::File| {
        let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd())).unwrap();
        about.lines().find_map(|line| line.strip_prefix("Pid:").map(|pid| pid.trim().to_owned())).expect("no pidfd")
    };
    host.good(&["create", "--pidfd-socket", socket, id]);
    assert_eq!(pid_of(receive(&listener)), host.state(id)["pid"].to_string());
    host.good(&["start", id]);
    let file = host.path("pid");
    let words = ["exec", "-d", "--pidfd-socket", socket, "--pid-file", file.to_str().unwrap(), id, "sleep", "1000"];
    host.good(&words);
    let pid = fs::read_to_string(&file).unwrap();
    assert_eq!(pid_of(receive(&listener)), pid);
    host.good(&["kill", "-a", id, "9"]);
    reap(&pid);
    host.good(&["delete", "-f", id]);
    // Nobody listens.
    drop(listener);
    host.bad(&["create", "--pidfd-socket", socket, id], "send a descriptor of the process");
    host.assert_clean();
}

/// A terminal with pidone at its other end, as an operator has it.
struct Terminal {
    master: fs::File,
    shown: std::sync::Arc<std::sync::Mutex<String>>,
    child: std::process::Child,
}

impl Terminal {
    fn open(command: &mut Command, size: [u16; 2]) -> Terminal {
        use std::os::fd::FromRawFd;
        let (mut master, mut slave) = (0, 0);
        let nothing = std::ptr::null_mut();
        // SAFETY: two descriptors are written.
        let opened = unsafe { libc::openpty(&mut master, &mut slave, nothing, nothing.cast(), nothing.cast()) };
        assert_eq!(opened, 0, "openpty");
        // SAFETY: they were just made.
        let (master, slave) = unsafe { (fs::File::from_raw_fd(master), fs::File::from_raw_fd(slave)) };
        set_size(&master, size);
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        // SAFETY: both may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let shown = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let child = command.spawn().unwrap();
        let (mut reader, all) = (master.try_clone().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length) = reader.read(&mut buffer) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Terminal { master, shown, child }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    fn await_text(&self, text: &str) {
        let start = Instant::now();
        while !self.shown().contains(text) {
            assert!(start.elapsed() < Duration::from_secs(20), "no {text:?} in {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its flags for input, output, control and local things.
    fn mode(&self) -> [u32; 4] {
        // SAFETY: a C structure of numbers, for which all zeros are valid.
        let mut mode: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: one whole structure is written.
        assert_eq!(unsafe { libc::tcgetattr(self.master.as_raw_fd(), &mut mode) }, 0);
        [mode.c_iflag, mode.c_oflag, mode.c_cflag, mode.c_lflag]
    }
}

fn set_size(master: &fs::File, [ws_row, ws_col]: [u16; 2]) {
    let size = libc::winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: one whole structure is read.
    assert_eq!(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) }, 0);
}

#[test]
fn what_an_operator_types_arrives_and_his_terminal_is_as_it_was_at_the_end() {
    let Some(host) = host("operator") else { return };
    let id = &*host.id("a");
    let program = "stty size; read line; echo \"got <$line>\"; trap 'stty size' WINCH; trap 'echo broken' INT; \
        trap 'echo ended; exit 9' TERM; echo armed; while :; do sleep 0.1; done";
    let terminal = |config: &mut Value| config["process"]["terminal"] = json!(true);
    let further = &*host.id("b");
    host.good(&["run", "-d", further]);
    host.configure(&["sh", "-c", program], terminal);
    for words in [&["run", id][..], &["exec", "-t", further, "sh", "-c", program]] {
        let mut operator = Terminal::open(&mut host.command(words), [24, 80]);
        operator.await_text("24 80\r\n");
        const LINES_AND_ECHO: u32 = libc::ICANON | libc::ECHO | libc::ISIG;
        assert_eq!(operator.mode()[3] & LINES_AND_ECHO, 0, "the operator's terminal is not raw");
        // In the container's terminal it becomes the end of a line.
        operator.master.write_all(b"hello there\r").unwrap();
        operator.await_text("got <hello there>\r\n");
        operator.await_text("armed");
        set_size(&operator.master, [50, 132]);
        operator.await_text("50 132\r\n");
        // No signal for us, but a byte for the container's terminal, which makes one of it.
        operator.master.write_all(b"\x03").unwrap();
        operator.await_text("broken");
        // SAFETY: numbers.
        unsafe { libc::kill(operator.child.id() as i32, libc::SIGTERM) };
        let status = operator.child.wait().unwrap();
        assert_eq!(status.code(), Some(9), "{}", operator.shown());
        operator.await_text("ended");
        assert_eq!(operator.mode()[3] & LINES_AND_ECHO, LINES_AND_ECHO, "the terminal is not as it was");
        assert_eq!(operator.mode()[1] & libc::OPOST, libc::OPOST);
    }
    host.good(&["delete", "-f", further]);
    host.assert_clean();
}

#[test]
fn descriptors_and_sockets_of_the_caller_reach_the_program() {
    let Some(host) = host("fds") else { return };
    let id = &*host.id("a");
    host.configure(&["sh", "-c", "cat <&3; cat <&4; ls /proc/self/fd; echo $LISTEN_FDS $LISTEN_PID"], |_| {});
    let (three, four) = (host.path("3"), host.path("4"));
    fs::write(&three, "three\n").unwrap();
    fs::write(&four, "four\n").unwrap();
    let files = [fs::File::open(&three).unwrap(), fs::File::open(&four).unwrap()];
    let numbers = files.each_ref().map(|file| file.as_raw_fd());
    let hand_on = move |command: &mut Command| {
        // SAFETY: dup2(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(move || {
                let high = numbers.map(|number| libc::fcntl(number, libc::F_DUPFD, 100));
                libc::dup2(high[0], 3);
                libc::dup2(high[1], 4);
                libc::close(high[0]);
                libc::close(high[1]);
                Ok(())
            });
        }
    };
    let mut command = host.command(&["run", "--preserve-fds", "2", id]);
    hand_on(&mut command);
    let preserved = done(&mut command);
    assert!(preserved.out.starts_with("three\nfour\n0\n1\n2\n3\n4\n"), "{:?} {}", preserved.out, preserved.err);
    for mut file in &files {
        file.seek(SeekFrom::Start(0)).unwrap();
    }
    let mut command = host.command(&["run", id]);
    hand_on(&mut command);
    let listening = done(command.env("LISTEN_FDS", "2").env("LISTEN_PID", "1"));
    assert!(listening.out.starts_with("three\nfour\n") && listening.out.ends_with("2 1\n"), "{}", listening.out);
    host.bad(&["run", "--preserve-fds", "9", id], "--preserve-fds");
    host.bad(&["run", "--preserve-fds", "two", id], "--preserve-fds");

    let notify = std::os::unix::net::UnixDatagram::bind(host.path("notify")).unwrap();
    host.configure(&["sh", "-c", "echo $NOTIFY_SOCKET; ls -l $NOTIFY_SOCKET"], |_| {});
    let told = done(host.command(&["run", id]).env("NOTIFY_SOCKET", host.path("notify")));
    assert!(told.out.starts_with("/run/notify/notify\ns"), "{} {}", told.out, told.err);
    drop(notify);
    host.assert_clean();
}
