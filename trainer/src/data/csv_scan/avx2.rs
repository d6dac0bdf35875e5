//! The same by instructions that nearly all processors of the last ten years have.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{Line, number};

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
            && is_x86_feature_detected!("lzcnt")
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

    /// See [`Line::numbers`]; as many slots as fields.
    #[inline]
    pub fn numbers(self, fields: Line<'_>, text: &[u8], slots: &mut [f64]) -> usize {
        // SAFETY: as above.
        unsafe { numbers(fields, text, slots) }
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
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
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn equal(bytes: &[u8; 64], value: u8) -> u64 {
    let value = _mm256_set1_epi8(value.cast_signed());
    let [low, high] = [0, 32].map(|start| {
        // SAFETY: 32 of 64 bytes; the instruction asks for no alignment.
        let bytes = unsafe { _mm256_loadu_si256(bytes[start..].as_ptr().cast()) };
        u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, value)).cast_unsigned())
    });
    low | high << 32
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn numbers(fields: Line<'_>, text: &[u8], slots: &mut [f64]) -> usize {
    let positions = fields.positions;
    assert_eq!(positions.len(), slots.len() + 1, "a slot for each field");
    // Positions ascend: what holds for the first and the last of them holds for all.
    if positions.len() < 2 || positions[1] < 16 || positions[slots.len()] as usize >= text.len() {
        return fields.numbers_one_by_one(text, slots);
    }
    // SAFETY: these are fields of the text, and end behind its 16th byte.
    unsafe {
        let short = short_numbers(positions, text, slots);
        short + long_numbers(&positions[short..], text, &mut slots[short..])
    }
}

/// Reads numbers of at most eight bytes behind their sign, four at a time, since a vector has room for them. Stops at four
/// that are not all of that kind; returns how many were read.
///
/// # Safety
/// The positions are separators of the text, and the second is behind its 16th byte.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn short_numbers(positions: &[u32], text: &[u8], slots: &mut [f64]) -> usize {
    let mut start = positions[0].wrapping_add(1) as usize;
    let groups = slots.as_chunks_mut::<4>().0.iter_mut().zip(positions[1..].as_chunks::<4>().0);
    for (index, (slots, ends)) in groups.enumerate() {
        let ends = ends.map(|end| end as usize);
        let starts = [start, ends[0] + 1, ends[1] + 1, ends[2] + 1];
        // SAFETY: as the caller has promised.
        match unsafe { four_short_numbers(text, starts, ends) } {
            Some(values) => *slots = values,
            None => return 4 * index,
        }
        start = ends[3] + 1;
    }
    slots.len() / 4 * 4
}

/// Four numbers of at most eight bytes behind their sign, if they are.
///
/// The eight bytes that end with each number are made digits, those before its point move to the point's place, and
/// neighbours are added up: to two, to four and to eight digits.
///
/// # Safety
/// See [`Digits::of`].
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn four_short_numbers(text: &[u8], starts: [usize; 4], ends: [usize; 4]) -> Option<[f64; 4]> {
    let mut lengths = [0; 4];
    let mut negative = [0; 4];
    for number in 0..4 {
        // SAFETY: as the caller has promised.
        negative[number] = usize::from(unsafe { *text.get_unchecked(starts[number]) } == b'-');
        // An empty field begins with its separator, which is no minus sign.
        lengths[number] = ends[number] - starts[number] - negative[number];
    }
    if lengths.iter().any(|&length| length > 8) {
        return None;
    }
    // SAFETY: as the caller has promised.
    let bytes = unsafe { four_times_eight(ends.map(|end| text.as_ptr().add(end - 8))) };
    let points = _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'.'.cast_signed())));
    // The last point of the eight bytes, counted from 1; perhaps it is one before the number.
    let points = points.cast_unsigned().to_le_bytes().map(|points| 8 - points.leading_zeros() as usize);
    let layouts = [0, 1, 2, 3].map(|number| &LAYOUTS[points[number]][lengths[number]]);
    // SAFETY: eight bytes each.
    let sources = unsafe { four_times_eight(layouts.map(|layout| layout.sources.as_ptr())) };
    // Every second number stands in the upper half of 16 bytes.
    let sources =
        _mm256_add_epi8(sources, _mm256_set_epi64x(0x0808_0808_0808_0808, 0, 0x0808_0808_0808_0808, 0));
    let digits = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0'.cast_signed()));
    let digits = _mm256_shuffle_epi8(digits, sources);
    let are_digits = _mm256_cmpeq_epi8(_mm256_min_epu8(digits, _mm256_set1_epi8(9)), digits);
    if _mm256_movemask_epi8(are_digits) != -1 {
        return None;
    }
    let twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(1 << 8 | 10));
    let fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(1 << 16 | 100));
    let fours = _mm256_packs_epi32(fours, fours);
    let eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(1 << 16 | 10_000));
    let eights = _mm_unpacklo_epi64(_mm256_castsi256_si128(eights), _mm256_extracti128_si256::<1>(eights));
    let [a, b, c, d] = [0, 1, 2, 3].map(|number| layouts[number].divisors[negative[number]]);
    let values = _mm256_div_pd(_mm256_cvtepi32_pd(eights), _mm256_set_pd(d, c, b, a));
    let mut slots = [0.0; 4];
    // SAFETY: four numbers; the instruction asks for no alignment.
    unsafe { _mm256_storeu_pd(slots.as_mut_ptr(), values) };
    Some(slots)
}

/// # Safety
/// Eight bytes can be read from each place.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn four_times_eight(places: [*const u8; 4]) -> __m256i {
    let [low, high] = [[places[0], places[1]], [places[2], places[3]]].map(|[low, high]| {
        // SAFETY: as the caller has promised; the instructions ask for no alignment.
        unsafe { _mm_loadh_pd(_mm_castsi128_pd(_mm_loadl_epi64(low.cast())), high.cast()) }
    });
    _mm256_set_m128i(_mm_castpd_si128(high), _mm_castpd_si128(low))
}

/// Where the eight digits of a number of at most eight bytes come from, and what they are to be divided by.
#[derive(Clone, Copy)]
struct Layout {
    /// Zeros before the number, and the digits before its point moved up by one, into the place of the point. Where there
    /// is no digit at all, what is no digit either.
    sources: [u8; 8],
    /// Ten to the number of digits behind the point, and the same below zero.
    divisors: [f64; 2],
}

/// By the place of the last point of eight bytes, counted from 1, and the length of the number that ends with them.
static LAYOUTS: [[Layout; 9]; 9] = {
    const TENS: [f64; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
    let mut table = [[Layout { sources: [ZERO; 8], divisors: [1.0, -1.0] }; 9]; 9];
    let mut point = 0;
    while point <= 8 {
        let mut length = 0;
        while length <= 8 {
            let layout = &mut table[point][length];
            let first = 8 - length;
            let has_point = point > first;
            if has_point {
                let behind = TENS[8 - point];
                layout.divisors = [behind, -behind];
            }
            if length == has_point as usize {
                // The separator before the number, its sign, or its point.
                layout.sources[7] = 7;
            }
            let mut source = first;
            while source < 8 {
                if !has_point || source + 1 > point {
                    layout.sources[source] = source as u8;
                } else if source + 1 < point {
                    layout.sources[source + 1] = source as u8;
                }
                source += 1;
            }
            length += 1;
        }
        point += 1;
    }
    table
};

/// Most bytes of a number that [`Digits`] takes, with its sign.
const LONGEST: usize = 17;

/// A source that makes a zero.
const ZERO: u8 = 0x80;

/// Reads numbers of any kind, two at a time, which are fast if they have at most 16 bytes behind their sign. Stops at one
/// that is not written as most are; returns how many were read.
///
/// # Safety
/// As for [`short_numbers`].
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn long_numbers(positions: &[u32], text: &[u8], slots: &mut [f64]) -> usize {
    let (pairs, last) = slots.as_chunks_mut::<2>();
    let (ends, last_end) = positions[1..].as_chunks::<2>();
    let mut start = positions[0].wrapping_add(1) as usize;
    for (index, (pair, &[first, second])) in pairs.iter_mut().zip(ends).enumerate() {
        let fields = [(start, first as usize), (first as usize + 1, second as usize)];
        // A row of numbers in full precision has few others.
        let usual = if fields.iter().any(|(start, end)| end - start <= LONGEST) {
            // SAFETY: as the caller has promised.
            let [a, b] = fields.map(|field| unsafe { Digits::of(text, field) });
            *pair = values(a, b);
            [a.usual, b.usual]
        } else {
            [false; 2]
        };
        if usual != [true; 2] {
            for (place, (usual, (start, end))) in usual.into_iter().zip(fields).enumerate() {
                if !usual {
                    let Some(value) = number(text, start, end) else { return 2 * index + place };
                    pair[place] = value;
                }
            }
        }
        start = second as usize + 1;
    }
    if let ([slot], &[end]) = (last, last_end) {
        // SAFETY: as the caller has promised.
        let digits = unsafe { Digits::of(text, (start, end as usize)) };
        let [value, _] = values(digits, digits);
        *slot = value;
        if !digits.usual {
            let Some(value) = number(text, start, end as usize) else { return positions.len() - 2 };
            *slot = value;
        }
    }
    positions.len() - 1
}

/// The digits of a number.
#[derive(Clone, Copy)]
struct Digits {
    /// Four numbers of four digits each.
    fours: __m128i,
    /// What to divide them by: the sign, and ten to the number of digits behind the point.
    divisor: f64,
    /// Whether there are at most 15 of them in 16 bytes behind the sign, with or without a point, and nothing else.
    usual: bool,
}

impl Digits {
    /// The 16 bytes that end with the number are made digits, those before its point move to the point's place, and
    /// neighbours are added up: to two and to four digits.
    ///
    /// # Safety
    /// `start <= end`, both lie within the text, and `end` is at least 16.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    unsafe fn of(text: &[u8], (start, end): (usize, usize)) -> Self {
        // SAFETY: as the caller has promised.
        let (first, bytes) = unsafe { (*text.get_unchecked(start), text.as_ptr().add(end - 16)) };
        let negative = usize::from(first == b'-');
        // An empty field begins with its separator, which is no minus sign.
        let bytes_behind_sign = end - start - negative;
        let length = bytes_behind_sign.min(16);
        // SAFETY: 16 bytes; the instruction asks for no alignment.
        let bytes = unsafe { _mm_loadu_si128(bytes.cast()) };
        let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0'.cast_signed()));
        let digits = bits(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values));
        let points = bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.'.cast_signed())));
        let others = !digits & (0xffff_0000 >> length) & 0xffff;
        let count = bytes_behind_sign.wrapping_sub(usize::from(others != 0));
        let one_point = others & (!points | others.wrapping_sub(1)) == 0;
        // 16 without a point.
        let point = (others | 1 << 16).trailing_zeros() as usize;
        // SAFETY: 16 bytes, as above.
        let moved =
            _mm_shuffle_epi8(values, unsafe { _mm_loadu_si128(MOVED[point][length].as_ptr().cast()) });
        let twos = _mm_maddubs_epi16(moved, _mm_set1_epi16(1 << 8 | 10));
        Self {
            fours: _mm_madd_epi16(twos, _mm_set1_epi32(1 << 16 | 100)),
            divisor: DIVISORS[negative][point],
            usual: one_point & (count.wrapping_sub(1) < 15),
        }
    }
}

/// The values of two numbers. All steps are exact but the division, which is rounded once.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn values(a: Digits, b: Digits) -> [f64; 2] {
    /// The bits of 2^52, which the digits of a number below are added to by setting them.
    const UNITS: i64 = ((1u64 << 52) as f64).to_bits().cast_signed();
    let fours = _mm_packs_epi32(a.fours, b.fours);
    let eights = _mm_madd_epi16(fours, _mm_set1_epi32(1 << 16 | 10_000));
    let high = _mm_mul_epu32(eights, _mm_set1_epi64x(100_000_000));
    let digits = _mm_add_epi64(high, _mm_srli_epi64::<32>(eights));
    let units = _mm_set1_epi64x(UNITS);
    let digits = _mm_sub_pd(_mm_castsi128_pd(_mm_or_si128(digits, units)), _mm_castsi128_pd(units));
    let values = _mm_div_pd(digits, _mm_set_pd(b.divisor, a.divisor));
    [_mm_cvtsd_f64(values), _mm_cvtsd_f64(_mm_unpackhi_pd(values, values))]
}

/// The high bit of each byte.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn bits(bytes: __m128i) -> u32 {
    _mm_movemask_epi8(bytes).cast_unsigned()
}

/// Where the 16 digits of a number come from, by the place of its point and its length: zeros before it, the digits before
/// the point moved up by one, into the place of the point.
static MOVED: [[[u8; 16]; 17]; 17] = {
    let mut table = [[[ZERO; 16]; 17]; 17];
    let mut point = 0;
    while point <= 16 {
        let mut length = 0;
        while length <= 16 {
            let mut source = 16 - length;
            while source < 16 {
                if source < point && point < 16 {
                    table[point][length][source + 1] = source as u8;
                } else if source != point {
                    table[point][length][source] = source as u8;
                }
                source += 1;
            }
            length += 1;
        }
        point += 1;
    }
    table
};

/// Ten to the number of digits behind a point in the `n`-th of 16 bytes, 1 for 16; and the same below zero.
static DIVISORS: [[f64; 17]; 2] = {
    let tens = [1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1.0, 1.0];
    let mut negative = tens;
    let mut place = 0;
    while place < 17 {
        negative[place] = -tens[place];
        place += 1;
    }
    [tens, negative]
};
