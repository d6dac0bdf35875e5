//! Memory that the system gives in large pages.

/// Asks for large pages for a vector that has just got more room.
///
/// Memory that is written for the first time comes page by page: with pages of 4 KB, that takes a sixth of the time of
/// reading a table. Where the system has no large pages, or does not say so, nothing changes.
pub(super) fn prefer_large_pages(values: &mut Vec<f32>) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const PAGE: usize = 4 << 10;
        const LARGE: usize = 2 << 20;
        let bytes = values.capacity() * size_of::<f32>();
        if bytes < 2 * LARGE {
            return;
        }
        // All of it, since a block whose pages are of two kinds cannot be moved without being copied.
        let first = values.as_mut_ptr().cast::<libc::c_void>();
        let start = first.addr() / PAGE * PAGE;
        let length = (first.addr() + bytes).next_multiple_of(PAGE) - start;
        #[allow(unsafe_code)]
        // SAFETY: an advice on how to provide memory, which leaves its contents alone.
        unsafe {
            // Refused is as good as not asked.
            libc::madvise(first.with_addr(start), length, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = values;
}
