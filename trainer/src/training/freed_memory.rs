//! What becomes of memory between two steps.

/// Lets the process keep memory that it frees, where the GNU C library manages it.
///
/// Each step of training frees what the next one takes again. That library hands large blocks back to the system, and
/// to take them again, page by page and filled with zeros, is a tenth of a step. To be called when the tables are
/// read: large arrays that grow are better off without.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const BYTES: libc::c_int = 1 << 30;
        #[allow(unsafe_code)]
        // SAFETY: both are documented settings of the allocator, which takes a lock to change them.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, BYTES);
        }
    }
}
