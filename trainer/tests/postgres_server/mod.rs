//! A PostgreSQL server of its own for a test, on a socket in a temporary folder.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub struct Server {
    folder: TempDir,
    programs: PathBuf,
    process: Option<Child>,
}

impl Server {
    /// Starts a server; none where there is no PostgreSQL, which continuous integration does not accept.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is missing: scripts/setup installs it");
            eprintln!("skipped on PostgreSQL: it is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("folder");
        let mut server = Self { folder, programs, process: None };
        server.initialise();
        server.launch();
        Some(server)
    }

    /// Its URL, in SQLAlchemy's form.
    pub fn url(&self) -> String {
        format!("postgresql+psycopg2://tester:secret@/postgres?host={}", self.folder.path().display())
    }

    fn initialise(&self) {
        let password = self.folder.path().join("password");
        fs::write(&password, "secret\n").expect("written");
        if is_root() {
            let mut chown = Command::new("chown");
            let owned = chown.args(["-R", "nobody"]).arg(self.folder.path()).status();
            assert!(owned.expect("chown starts").success());
        }
        let mut command = self.command("initdb");
        command.args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--auth=scram-sha-256",
            "--username=tester",
        ]);
        command.arg("--pwfile").arg(&password).arg("-D").arg(self.folder.path().join("data"));
        let output = command.output().expect("initdb starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the server, and waits until it answers.
    pub fn launch(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        self.process =
            Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres starts"));
        let start = Instant::now();
        while !self.is_ready() {
            assert!(start.elapsed() < Duration::from_secs(60), "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_ready(&self) -> bool {
        let mut command = self.command("pg_isready");
        command.arg("-h").arg(self.folder.path()).stdout(Stdio::null());
        command.status().expect("pg_isready starts").success()
    }

    /// Has the server crash: what it had not written is lost.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill").args(["-QUIT", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }

    /// A program of PostgreSQL, which refuses to be run by root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id starts");
    output.stdout == b"0\n"
}

/// The folder of the server's programs: on the path, or where Debian puts them.
fn programs() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}
