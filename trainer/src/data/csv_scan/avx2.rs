//! The same by instructions that nearly all processors of the last ten years have.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{Line, Target, number};

/// The right to use the instructions.
#[derive(Clone, Copy)]
pub(super) struct Vectors(());

impl Vectors {
    /// Asks the processor; the answer is remembered.
    #[inline]
    pub fn available() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        all.then_some(Self(()))
    }

    /// Writes the positions of all commas and line feeds, with room for 64 more of them than there are, and the
    /// indices of the line feeds among them; returns how many there are.
    #[inline]
    pub fn separators(self, text: &[u8], positions: &mut [u32], line_feeds: &mut Vec<u32>) -> usize {
        // SAFETY: the processor has the instructions, or there would be no `self`.
        unsafe { separators(text, positions, line_feeds) }
    }

    /// See [`Line::numbers`].
    #[inline]
    pub fn numbers(self, line: Line<'_>, text: &[u8], targets: &[Target], slots: &mut [f64]) -> usize {
        // SAFETY: as above.
        unsafe { numbers(line, text, targets, slots) }
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn separators(text: &[u8], positions: &mut [u32], line_feeds: &mut Vec<u32>) -> usize {
    let mut count = 0;
    let (chunks, rest) = text.as_chunks::<64>();
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    for (index, chunk) in chunks.iter().chain([&last]).enumerate() {
        let first = 64 * index as u32;
        let ends = equal(chunk, b'\n');
        let mut all = equal(chunk, b',') | ends;
        let mut left = ends;
        while left != 0 {
            let before = all & (left - 1) & !left;
            line_feeds.push((count + before.count_ones() as usize) as u32);
            left &= left - 1;
        }
        let found = all.count_ones() as usize;
        // Eight at a time, some of them in vain, are faster than a branch for each.
        let room: &mut [u32; 64] = positions[count..].first_chunk_mut().expect("room for 64 more");
        for eight in room.as_chunks_mut::<8>().0.iter_mut().take(found.div_ceil(8)) {
            for position in eight {
                *position = first + all.trailing_zeros();
                all &= all.wrapping_sub(1);
            }
        }
        count += found;
    }
    count
}

/// A bit for each byte that has the value.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn equal(bytes: &[u8; 64], value: u8) -> u64 {
    let value = _mm256_set1_epi8(value.cast_signed());
    let [low, high] = [0, 32].map(|start| {
        // SAFETY: 32 of 64 bytes; the instruction asks for no alignment.
        let bytes = unsafe { _mm256_loadu_si256(bytes[start..].as_ptr().cast()) };
        u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, value)).cast_unsigned())
    });
    low | high << 32
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn numbers(line: Line<'_>, text: &[u8], targets: &[Target], slots: &mut [f64]) -> usize {
    line.numbers_by(text, targets, slots, |text, start, end| match short(text, start, end) {
        None => number(text, start, end),
        short => short,
    })
}

/// A number of at most 15 digits and 16 bytes behind its sign, with or without a point; other numbers are `None`.
///
/// The 16 bytes that end with the number are made digits, those before its point move to the point's place, and
/// neighbours are added up: to two, to four and to eight digits. All steps are exact but the division, which is
/// rounded once.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn short(text: &[u8], start: usize, end: usize) -> Option<f64> {
    let negative = text[start] == b'-';
    let length = end - start - usize::from(negative);
    if length > 16 || end < 16 {
        return None;
    }
    let bytes = load(text[end - 16..end].first_chunk()?);
    let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0'.cast_signed()));
    let digits = bits(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values));
    let points = bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.'.cast_signed())));
    let others = !digits & (0xffff << (16 - length)) & 0xffff;
    let count = length - usize::from(others != 0);
    if others & !points != 0 || others & others.wrapping_sub(1) != 0 || !(1..=15).contains(&count) {
        return None;
    }
    // 16 without a point.
    let point = (others | 1 << 16).trailing_zeros() as usize;
    let values = _mm_and_si128(values, load(&LAST[length]));
    let moved = _mm_slli_si128::<1>(values);
    let values = _mm_blendv_epi8(values, moved, load(&UP_TO[point]));
    let twos = _mm_maddubs_epi16(values, _mm_set1_epi16(1 << 8 | 10));
    let fours = _mm_madd_epi16(twos, _mm_set1_epi32(1 << 16 | 100));
    let fours = _mm_packs_epi32(fours, fours);
    let eights = _mm_cvtsi128_si64(_mm_madd_epi16(fours, _mm_set1_epi32(1 << 16 | 10_000)));
    let mantissa = (eights & 0xffff_ffff) * 100_000_000 + (eights >> 32);
    let value = mantissa as f64 / BEHIND[point];
    Some(f64::from_bits(value.to_bits() | u64::from(negative) << 63))
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes; the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// The high bit of each byte.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn bits(bytes: __m128i) -> u32 {
    _mm_movemask_epi8(bytes).cast_unsigned()
}

/// All bits of the last `n` bytes.
static LAST: [[u8; 16]; 17] = {
    let mut table = [[0; 16]; 17];
    let mut n = 1;
    while n <= 16 {
        table[n] = table[n - 1];
        table[n][16 - n] = 0xff;
        n += 1;
    }
    table
};

/// All bits of the bytes 0 to `n`; none for 16.
static UP_TO: [[u8; 16]; 17] = {
    let mut table = [[0; 16]; 17];
    table[0][0] = 0xff;
    let mut n = 1;
    while n < 16 {
        table[n] = table[n - 1];
        table[n][n] = 0xff;
        n += 1;
    }
    table
};

/// Ten to the number of digits behind a point in the `n`-th of 16 bytes; 1 for 16.
static BEHIND: [f64; 17] =
    [1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1.0, 1.0];
