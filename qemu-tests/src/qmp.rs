//! A small client of QEMU's control socket: lines of JSON, a greeting, then commands and events.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A command is answered at once; a busy host may take a while to say so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection.
pub struct Qmp {
    stream: UnixStream,
    shared: Arc<(Mutex<Received>, Condvar)>,
}

#[derive(Default)]
struct Received {
    answers: Vec<Value>,
    events: Vec<Value>,
    closed: bool,
}

impl Qmp {
    /// Connects to the socket that QEMU is about to make, and asks for the command mode.
    pub fn connect(path: &Path, deadline: Instant) -> Result<Qmp> {
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() >= deadline => return Err(error).context("QEMU's control socket"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let shared: Arc<(Mutex<Received>, Condvar)> = Arc::default();
        let (reader, writer) = (BufReader::new(stream.try_clone()?), shared.clone());
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
                let mut received = lock(&writer);
                if message.get("event").is_some() {
                    received.events.push(message);
                } else if message.get("QMP").is_none() {
                    received.answers.push(message);
                }
                drop(received);
                writer.1.notify_all();
            }
            lock(&writer).closed = true;
            writer.1.notify_all();
        });
        let qmp = Qmp { stream, shared };
        qmp.execute("qmp_capabilities", Value::Null)?;
        Ok(qmp)
    }

    /// Runs a command and returns what it returns.
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value> {
        let mut request = json!({ "execute": command });
        if !arguments.is_null() {
            request["arguments"] = arguments;
        }
        (&self.stream).write_all(format!("{request}\n").as_bytes()).with_context(|| format!("QMP {command}"))?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut received = lock(&self.shared);
        loop {
            if let Some(mut answer) = received.answers.pop() {
                match answer.get_mut("return") {
                    Some(value) => return Ok(value.take()),
                    None => bail!("QMP {command}: {answer}"),
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if received.closed || left.is_zero() {
                bail!("QMP {command}: no answer");
            }
            received = self.shared.1.wait_timeout(received, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    /// The events of one name so far.
    pub fn events(&self, name: &str) -> Vec<Value> {
        lock(&self.shared).events.iter().filter(|event| event["event"] == name).cloned().collect()
    }

    /// Waits until QEMU has hung up, as it does when it ends: then every event has come.
    pub fn wait_closed(&self, deadline: Instant) {
        let mut received = lock(&self.shared);
        while !received.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            received = self.shared.1.wait_timeout(received, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

fn lock(shared: &(Mutex<Received>, Condvar)) -> MutexGuard<'_, Received> {
    shared.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
