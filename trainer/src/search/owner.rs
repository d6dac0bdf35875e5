//! Which process works on a trial, so that another one on the same machine sees at once that it is no more.

use std::fs;
use std::process;

use serde_json::{Value, json};

/// A process: where it runs, and when it began, since numbers of processes are used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// Boot and process namespace; none where they cannot be told.
    machine: Option<String>,
    pid: u32,
    started: Option<String>,
}

impl Owner {
    /// System attribute of a trial.
    pub const ATTRIBUTE: &str = "optimil:owner";

    /// This process.
    pub fn current() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let namespace = fs::read_link("/proc/self/ns/pid").ok();
        let machine = boot.zip(namespace).map(|(boot, name)| format!("{} {}", boot.trim(), name.display()));
        Self { machine, pid: process::id(), started: started(process::id()) }
    }

    /// As an attribute.
    pub fn to_json(&self) -> Value {
        json!({ "machine": self.machine, "pid": self.pid, "started": self.started })
    }

    /// Whether an attribute names a process that ran where this one runs, and is no more. What is unknown is not.
    pub fn has_outlived(&self, attribute: &Value) -> bool {
        let text = |name: &str| attribute.get(name).and_then(Value::as_str);
        let (Some(machine), Some(then)) = (text("machine"), text("started")) else { return false };
        let Some(pid) = attribute.get("pid").and_then(Value::as_u64) else { return false };
        let here = self.machine.as_deref() == Some(machine) && self.started.is_some();
        here && u32::try_from(pid).is_ok_and(|pid| started(pid).as_deref() != Some(then))
    }
}

/// When a process began, in ticks since the machine did; none if there is none, or it has ended and nobody has asked
/// how.
fn started(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = status.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    fields.nth(18).filter(|_| state != "Z").map(Into::into)
}

/// A name of this process for people.
pub(super) fn worker_name() -> String {
    let host =
        fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    format!("{}:{}", host.as_deref().map_or("localhost", str::trim), process::id())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_told_from_one_that_ended() {
        let here = Owner::current();
        assert!(!here.has_outlived(&here.to_json()), "it lives");
        let mut child = Command::new("sleep").arg("60").spawn().expect("a process");
        let owner = Owner { pid: child.id(), started: started(child.id()), ..here.clone() };
        assert!(!here.has_outlived(&owner.to_json()));
        child.kill().expect("killed");
        while started(child.id()).is_some() {
            std::thread::yield_now();
        }
        assert!(here.has_outlived(&owner.to_json()), "killed, though its parent has not asked yet");
        child.wait().expect("it ended");
        assert!(here.has_outlived(&owner.to_json()));
        let elsewhere = Owner { machine: Some("another".into()), ..owner };
        assert!(!here.has_outlived(&elsewhere.to_json()), "nothing is known of it");
        assert!(!here.has_outlived(&Value::Null));
    }
}
