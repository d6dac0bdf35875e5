//! PostgreSQL's client library, loaded when the first database of that kind is opened.
//!
//! It brings every way to log in, TLS, password files and environment variables as its users know them.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

/// Why something did not work.
#[derive(Debug)]
pub(super) enum Error {
    /// The library is not there.
    NoLibrary(String),
    /// There is no connection (any more).
    Lost(String),
    /// The server refused a statement, with a state of the SQL standard.
    Refused { state: String, reason: String },
}

/// Opaque objects of the library.
#[repr(C)]
struct PgConn([u8; 0]);
#[repr(C)]
struct PgResult([u8; 0]);

/// The functions that are called, as `libpq-fe.h` declares them.
struct Functions {
    connect: unsafe extern "C" fn(*const *const c_char, *const *const c_char, c_int) -> *mut PgConn,
    status: unsafe extern "C" fn(*const PgConn) -> c_int,
    error_message: unsafe extern "C" fn(*const PgConn) -> *const c_char,
    finish: unsafe extern "C" fn(*mut PgConn),
    execute: unsafe extern "C" fn(
        *mut PgConn,
        *const c_char,
        c_int,
        *const u32,
        *const *const c_char,
        *const c_int,
        *const c_int,
        c_int,
    ) -> *mut PgResult,
    result_status: unsafe extern "C" fn(*const PgResult) -> c_int,
    error_field: unsafe extern "C" fn(*const PgResult, c_int) -> *const c_char,
    rows: unsafe extern "C" fn(*const PgResult) -> c_int,
    columns: unsafe extern "C" fn(*const PgResult) -> c_int,
    is_null: unsafe extern "C" fn(*const PgResult, c_int, c_int) -> c_int,
    value: unsafe extern "C" fn(*const PgResult, c_int, c_int) -> *const c_char,
    clear: unsafe extern "C" fn(*mut PgResult),
}

const CONNECTION_OK: c_int = 0;
const COMMAND_OK: c_int = 1;
const TUPLES_OK: c_int = 2;
const FIELD_STATE: c_int = b'C' as c_int;
const FIELD_MESSAGE: c_int = b'M' as c_int;

/// Where the library may be: as the system finds it, or in an environment of Conda.
fn candidates() -> Vec<String> {
    let name = match std::env::consts::OS {
        "macos" => "libpq.5.dylib",
        "windows" => "libpq.dll",
        _ => "libpq.so.5",
    };
    let folders = ["/opt/homebrew/opt/libpq/lib", "/usr/local/opt/libpq/lib"].map(str::to_owned);
    let conda = std::env::var("CONDA_PREFIX").ok().map(|prefix| format!("{prefix}/lib"));
    let folders = conda.into_iter().chain(folders).map(|folder| format!("{folder}/{name}"));
    std::iter::once(name.to_owned()).chain(folders).collect()
}

fn functions() -> Result<&'static Functions, Error> {
    static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
    let functions = FUNCTIONS.get_or_init(|| candidates().iter().find_map(|name| load(name).ok()));
    functions.as_ref().ok_or_else(|| {
        let reason = "PostgreSQL's client library libpq is not on this machine; install it (Debian: libpq5, Conda and \
                      Homebrew: libpq)";
        Error::NoLibrary(reason.to_owned())
    })
}

fn load(name: &str) -> Result<Functions, libloading::Error> {
    // SAFETY: the library is PostgreSQL's, whose initialisation is harmless; the types are those of its header, which
    // have been stable since its version 5. It is never unloaded.
    unsafe {
        let library: &'static Library = Box::leak(Box::new(Library::new(name)?));
        Ok(Functions {
            connect: *library.get(b"PQconnectdbParams\0")?,
            status: *library.get(b"PQstatus\0")?,
            error_message: *library.get(b"PQerrorMessage\0")?,
            finish: *library.get(b"PQfinish\0")?,
            execute: *library.get(b"PQexecParams\0")?,
            result_status: *library.get(b"PQresultStatus\0")?,
            error_field: *library.get(b"PQresultErrorField\0")?,
            rows: *library.get(b"PQntuples\0")?,
            columns: *library.get(b"PQnfields\0")?,
            is_null: *library.get(b"PQgetisnull\0")?,
            value: *library.get(b"PQgetvalue\0")?,
            clear: *library.get(b"PQclear\0")?,
        })
    }
}

/// A connection.
pub(super) struct Client {
    functions: &'static Functions,
    /// Never null.
    connection: *mut PgConn,
}

// SAFETY: libpq lets any thread use a connection, one at a time; `&mut self` sees to that.
unsafe impl Send for Client {}

/// A result, freed when dropped.
struct Outcome {
    functions: &'static Functions,
    /// May be null, which every function takes for a failure.
    result: *mut PgResult,
}

impl Client {
    /// Connects to the database of a URL.
    pub fn connect(url: &str) -> Result<Self, Error> {
        let functions = functions()?;
        // Before the URL, so that it may say otherwise. A host that fell silent is given up after a minute.
        let options = [
            ("connect_timeout", "10"),
            ("keepalives_idle", "30"),
            ("tcp_user_timeout", "60000"),
            ("fallback_application_name", "optimil"),
            ("client_encoding", "UTF8"),
            ("dbname", url),
        ];
        let owned: Vec<_> = options.iter().map(|(name, value)| (c_string(name), c_string(value))).collect();
        let pointers = |text: fn(&(CString, CString)) -> &CString| -> Vec<_> {
            owned.iter().map(|pair| text(pair).as_ptr()).chain([ptr::null()]).collect()
        };
        let (names, values) = (pointers(|pair| &pair.0), pointers(|pair| &pair.1));
        // SAFETY: both are lists of strings that outlive the call, ended by a null pointer.
        let connection = unsafe { (functions.connect)(names.as_ptr(), values.as_ptr(), 1) };
        assert!(!connection.is_null(), "libpq has memory for a connection");
        let client = Self { functions, connection };
        if client.is_lost() {
            let reason = client.message();
            return Err(match transient(&reason) {
                true => Error::Lost(reason),
                false => Error::Refused { state: String::new(), reason },
            });
        }
        Ok(client)
    }

    fn is_lost(&self) -> bool {
        // SAFETY: the connection is valid until it is dropped.
        unsafe { (self.functions.status)(self.connection) != CONNECTION_OK }
    }

    /// What the library says last, in one line.
    fn message(&self) -> String {
        // SAFETY: as above; the text is valid until the next call.
        let text = unsafe { string((self.functions.error_message)(self.connection)) };
        one_line(&text.unwrap_or_default())
    }

    /// Runs a statement with parameters as text, and gives the rows as text.
    pub fn execute(
        &mut self,
        sql: &str,
        parameters: &[Option<String>],
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        let sql = c_string(sql);
        let owned: Vec<_> = parameters.iter().map(|text| text.as_deref().map(c_string)).collect();
        let values: Vec<_> =
            owned.iter().map(|text| text.as_ref().map_or(ptr::null(), |text| text.as_ptr())).collect();
        let count = c_int::try_from(values.len()).expect("few parameters");
        // SAFETY: `count` values of text, null ones for NULL, which outlive the call; types and lengths may be null.
        let result = unsafe {
            (self.functions.execute)(
                self.connection,
                sql.as_ptr(),
                count,
                ptr::null(),
                values.as_ptr(),
                ptr::null(),
                ptr::null(),
                0,
            )
        };
        let outcome = Outcome { functions: self.functions, result };
        match outcome.status() {
            COMMAND_OK => Ok(Vec::new()),
            TUPLES_OK => Ok(outcome.rows()),
            _ => {
                let state = outcome.field(FIELD_STATE).unwrap_or_default();
                // Without a state it was the library that failed; else the server is being shut down, was killed, or does
                // not take connections yet.
                let lost = state.is_empty() || state.starts_with("57P") || state.starts_with("08");
                let reason = outcome.field(FIELD_MESSAGE).unwrap_or_else(|| self.message());
                let reason = one_line(&reason);
                Err(if lost { Error::Lost(reason) } else { Error::Refused { state, reason } })
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: it is not used after this.
        unsafe { (self.functions.finish)(self.connection) }
    }
}

impl Outcome {
    fn status(&self) -> c_int {
        // SAFETY: the result is valid until it is dropped, or null, which is allowed; so below.
        unsafe { (self.functions.result_status)(self.result) }
    }

    fn field(&self, code: c_int) -> Option<String> {
        // SAFETY: as above; the text lives as long as the result.
        unsafe { string((self.functions.error_field)(self.result, code)) }
    }

    fn rows(&self) -> Vec<Vec<Option<String>>> {
        // SAFETY: as above; rows and columns are within the numbers that the library gave.
        unsafe {
            let columns = (self.functions.columns)(self.result);
            let cell = |row, column| {
                let is_null = (self.functions.is_null)(self.result, row, column) != 0;
                (!is_null).then(|| string((self.functions.value)(self.result, row, column)))?
            };
            let rows = (self.functions.rows)(self.result);
            (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect()
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        // SAFETY: it is not used after this.
        unsafe { (self.functions.clear)(self.result) }
    }
}

/// Copies a text of the library; none where there is none.
///
/// # Safety
/// The pointer is null, or to a text that ends with a zero.
unsafe fn string(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// A text for the library, which ends texts at a zero: PostgreSQL has none within texts.
fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "")).expect("no zero is left")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether it may go better later: anything but a wrong name, password or option.
fn transient(reason: &str) -> bool {
    let lasting = [
        "authentication failed",
        "no password supplied",
        "does not exist",
        "invalid",
        "no pg_hba.conf entry",
        "could not translate host name",
        "permission denied",
    ];
    !lasting.iter().any(|sign| reason.contains(sign))
}
