//! `optimil serve`: the explorer and one bundle on this machine's loopback address.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::{fs, io, io::Write, thread};

use shared_model::bundle::{BundleError, BundleReader};
use tiny_http::{Method, Request, Server, StatusCode};

/// The explorer as it was when this program was built; empty if it was not.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/explorer_files.rs"));

/// Name under which the bundle is served.
const BUNDLE: &str = "bundle.optimil";

/// Threads that answer requests: a browser asks for a handful of files at once.
const THREADS: usize = 4;

/// Only the page's own files, its own wasm, and nothing inline; no other site may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Why a bundle cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file that cannot be read.
    #[error("{path} cannot be read: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file that is not a bundle.
    #[error("{path}: {error}")]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: BundleError,
    },
    /// The program was built without the explorer.
    #[error(
        "this program was built without the explorer: run `make explorer`, then build again or give its folder with --explorer dist"
    )]
    NoExplorer,
    /// A folder without the explorer's page.
    #[error("{0} holds no built explorer (no index.html): run `make explorer`, which writes it to dist")]
    NotAnExplorer(PathBuf),
    /// The address is taken, or not to be had.
    #[error("port {port} of 127.0.0.1 cannot be used: {reason}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system says.
        reason: String,
    },
    /// Requests cannot be taken any more.
    #[error("the server has stopped: {0}")]
    Stopped(io::Error),
}

/// Files by name, from this program or read from disk.
type Files = Vec<(String, Cow<'static, [u8]>)>;

/// Everything that is served.
struct Site {
    files: Files,
    /// What a browser may call this server.
    hosts: [String; 2],
}

/// An answer, before it is written.
#[derive(Debug, PartialEq, Eq)]
struct Reply<'a> {
    status: u16,
    kind: &'static str,
    body: &'a [u8],
}

/// Serves a bundle and the explorer (of a folder, or the one in this program) until the program is stopped.
///
/// Port 0 takes a free one; `announce` is told the address once requests are taken.
///
/// # Errors
/// [`ServeError`] before anything is served, or if the system closes the socket.
pub fn serve(
    bundle: &Path,
    explorer: Option<&Path>,
    port: u16,
    announce: impl FnOnce(&str),
) -> Result<(), ServeError> {
    let mut files = match explorer {
        Some(folder) => read_folder(folder)?,
        None => embedded()?,
    };
    files.push((BUNDLE.into(), read_bundle(bundle)?.into()));

    let listen_error = |reason: String| ServeError::Listen { port, reason };
    let server = Server::http(("127.0.0.1", port)).map_err(|error| listen_error(error.to_string()))?;
    let address = server.server_addr().to_ip().ok_or_else(|| listen_error("not an IP address".into()))?;
    let hosts = [address.to_string(), format!("localhost:{}", address.port())];
    announce(&format!("http://{address}/?bundle={BUNDLE}"));

    let site = Site { files, hosts };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| answer_requests(&server, &site))).collect();
        let stopped = workers.into_iter().map(|worker| worker.join().expect("answering does not panic"));
        stopped.reduce(|_, last| last).expect("there are threads").map_err(ServeError::Stopped)
    })
}

fn read_bundle(path: &Path) -> Result<Vec<u8>, ServeError> {
    let bytes = read(path)?;
    let opened = BundleReader::open(&bytes).map(|_| ());
    opened.map_err(|error| ServeError::Bundle { path: path.into(), error })?;
    Ok(bytes)
}

fn embedded() -> Result<Files, ServeError> {
    if EMBEDDED.is_empty() {
        return Err(ServeError::NoExplorer);
    }
    Ok(EMBEDDED.iter().map(|&(name, bytes)| (name.to_owned(), bytes.into())).collect())
}

fn read_folder(folder: &Path) -> Result<Files, ServeError> {
    let mut files = Vec::new();
    add_folder(folder, "", &mut files)?;
    if !files.iter().any(|(name, _)| name == "index.html") {
        return Err(ServeError::NotAnExplorer(folder.into()));
    }
    Ok(files)
}

/// Adds the files of a folder and of those in it, whose names begin with `prefix`.
fn add_folder(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), ServeError> {
    let unreadable = |error| ServeError::Read { path: folder.into(), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| !name.starts_with('.')) else { continue };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            add_folder(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, read(&path)?.into()));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    fs::read(path).map_err(|error| ServeError::Read { path: path.into(), error })
}

fn answer_requests(server: &Server, site: &Site) -> io::Result<()> {
    loop {
        let request = server.recv()?;
        let host = request.headers().iter().find(|header| header.field.equiv("Host"));
        let reply = site.reply(request.method(), request.url(), host.map(|header| header.value.as_str()));
        // A browser that hangs up in the middle of an answer is no concern of the next request.
        let _ = write(request, &reply);
    }
}

impl Site {
    /// The answer to a request.
    fn reply(&self, method: &Method, url: &str, host: Option<&str>) -> Reply<'_> {
        // A page of another site can make its own name point here; the browser then sends that name.
        if !host.is_some_and(|host| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))) {
            return refusal(403, b"this server answers to 127.0.0.1 and localhost only\n");
        }
        if !matches!(method, Method::Get | Method::Head) {
            return refusal(405, b"only GET and HEAD are answered\n");
        }
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let name = match path.strip_prefix('/') {
            Some("") => "index.html",
            Some(name) => name,
            None => return refusal(404, b"no such file\n"),
        };
        match self.files.iter().find(|(known, _)| known == name) {
            Some((name, bytes)) => Reply { status: 200, kind: media_type(name), body: bytes },
            None => refusal(404, b"no such file\n"),
        }
    }
}

fn refusal(status: u16, body: &'static [u8]) -> Reply<'static> {
    Reply { status, kind: "text/plain; charset=utf-8", body }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

/// Writes an answer, and has the browser close the connection after it: where connections come in at the same moment,
/// tiny_http may leave one waiting until another ends, and those that are kept alive do not end for minutes.
fn write(request: Request, reply: &Reply) -> io::Result<()> {
    let with_body = *request.method() != Method::Head;
    let status = StatusCode(reply.status);
    let mut stream = request.into_writer();
    // The explorer's file names stay the same from build to build, so none is kept unasked. The length is there, since
    // the page shows its progress by it.
    write!(
        stream,
        "HTTP/1.1 {} {}\r\n\
         Connection: close\r\n\
         Content-Length: {}\r\n\
         Content-Type: {}\r\n\
         Content-Security-Policy: {POLICY}\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Referrer-Policy: no-referrer\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n\
         Cache-Control: no-cache\r\n\r\n",
        status.0,
        status.default_reason_phrase(),
        reply.body.len(),
        reply.kind,
    )?;
    if with_body {
        stream.write_all(reply.body)?;
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let files = [("index.html", "<p>"), ("model_bg.wasm", "\0asm"), (BUNDLE, "PK")];
        Site {
            files: files.map(|(name, text)| (name.to_owned(), text.as_bytes().into())).into(),
            hosts: ["127.0.0.1:8000".into(), "localhost:8000".into()],
        }
    }

    #[test]
    fn files_come_with_their_media_type() {
        let site = site();
        let get = |url| {
            let reply = site.reply(&Method::Get, url, Some("localhost:8000"));
            (reply.status, reply.kind, reply.body)
        };
        assert_eq!(get("/?bundle=bundle.optimil"), (200, "text/html; charset=utf-8", &b"<p>"[..]));
        assert_eq!(get("/model_bg.wasm"), (200, "application/wasm", &b"\0asm"[..]));
        assert_eq!(get("/bundle.optimil"), (200, "application/octet-stream", &b"PK"[..]));
    }

    #[test]
    fn other_names_methods_and_hosts_are_refused() {
        let site = site();
        let status = |method, url, host| site.reply(&method, url, host).status;
        for url in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/etc/passwd", "//index.html", "*", ""] {
            assert_eq!(status(Method::Get, url, Some("localhost:8000")), 404, "{url}");
        }
        assert_eq!(status(Method::Post, "/", Some("localhost:8000")), 405);
        assert_eq!(status(Method::Head, "/", Some("LOCALHOST:8000")), 200);
        for host in [None, Some("evil.example:8000"), Some("localhost:8001"), Some("127.0.0.1")] {
            assert_eq!(status(Method::Get, "/", host), 403, "{host:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_bundle_is_not_served() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("index.html"), "<p>").expect("written");
        let bundle = folder.path().join("notes.txt");
        fs::write(&bundle, "not a bundle").expect("written");
        let error = serve(&bundle, Some(folder.path()), 0, |_| ()).expect_err("refused");
        assert!(matches!(error, ServeError::Bundle { .. }), "{error}");
        fs::remove_file(folder.path().join("index.html")).expect("removed");
        let error = serve(&bundle, Some(folder.path()), 0, |_| ()).expect_err("refused");
        assert!(matches!(error, ServeError::NotAnExplorer(_)), "{error}");
    }
}
