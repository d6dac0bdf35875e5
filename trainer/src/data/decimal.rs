//! Decimal numbers in text, read exactly: as the standard library does, and several times as fast.

/// The number that a text begins with, and its length in bytes.
///
/// Takes what tables are full of, such as `-12`, `0.0345` and `1.5e-7`, and is `None` for everything else: more
/// than 19 digits, extreme exponents, other notations, or less than eight bytes of text behind the digits.
#[inline]
pub(super) fn leading(text: &[u8]) -> Option<(f64, usize)> {
    let negative = *text.first()? == b'-';
    let start = usize::from(negative);
    let (value, length) = short(text, start).or_else(|| unsigned(text, start))?;
    // Without a branch: the sign of a feature cannot be predicted.
    Some((f64::from_bits(value.to_bits() | u64::from(negative) << 63), start + length))
}

/// A number of at most seven digits before its point and as many behind it, which most features are.
#[inline(always)]
fn short(text: &[u8], start: usize) -> Option<(f64, usize)> {
    let (whole, before) = digits_of(eight_bytes(text, start)?);
    let point = start + before;
    if before == 8 || *text.get(point)? != b'.' {
        return None;
    }
    let (fraction, behind) = digits_of(eight_bytes(text, point + 1)?);
    let end = point + 1 + behind;
    if behind == 8 || before + behind == 0 || *text.get(end)? | 0x20 == b'e' {
        return None;
    }
    let mantissa = (whole * TENS[behind] + fraction).cast_signed();
    // One operation on exact numbers is rounded once.
    Some((mantissa as f64 / EXACT_TENS[behind], end - start))
}

fn eight_bytes(text: &[u8], start: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(start..)?.first_chunk()?))
}

/// Any number that [`leading`] takes, from behind its sign.
#[inline(never)]
fn unsigned(text: &[u8], start: usize) -> Option<(f64, usize)> {
    let mut mantissa = 0;
    let whole = digits(text, start, &mut mantissa)?;
    let mut at = start + whole;
    let (mut count, mut exponent) = (whole, 0);
    if *text.get(at)? == b'.' {
        let fraction = digits(text, at + 1, &mut mantissa)?;
        at += 1 + fraction;
        count += fraction;
        exponent = -(fraction as i32);
    }
    if !(1..=MOST_DIGITS).contains(&count) {
        return None;
    }
    if matches!(text.get(at)?, b'e' | b'E') {
        let sign = *text.get(at + 1)?;
        let signed = usize::from(matches!(sign, b'+' | b'-'));
        let mut power = 0;
        let length = digits(text, at + 1 + signed, &mut power)?;
        if !(1..=4).contains(&length) {
            return None;
        }
        exponent += if sign == b'-' { -(power as i32) } else { power as i32 };
        at += 1 + signed + length;
    }
    Some((scaled(mantissa, exponent)?, at - start))
}

const TENS: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The powers of ten that are exact.
const EXACT_TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Digits that always fit into 64 bits.
const MOST_DIGITS: usize = 19;

/// Appends the decimal digits at `start` to a number, and counts them; more than [`MOST_DIGITS`] make it wrap.
fn digits(text: &[u8], start: usize, number: &mut u64) -> Option<usize> {
    let mut at = start;
    loop {
        let (value, count) = digits_of(eight_bytes(text, at)?);
        *number = number.wrapping_mul(TENS[count]).wrapping_add(value);
        at += count;
        if count < 8 {
            return Some(at - start);
        }
    }
}

/// The number made of the digits that eight bytes begin with, and how many they are.
///
/// The bytes behind the digits are shifted out, zeros come in before them, and three multiplications add the rest
/// up. See D. Lemire, Number Parsing at a Gigabyte per Second, Software: Practice and Experience 51 (2021).
#[inline(always)]
fn digits_of(bytes: u64) -> (u64, usize) {
    let values = bytes ^ 0x3030_3030_3030_3030;
    // The high bit of each byte up to the first that is not a digit: 0 for a digit, 1 there.
    let others = (values | values.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() as usize / 8;
    // No digit at all would be a shift by all 64 bits.
    let aligned = if count == 0 { 0 } else { values << (64 - 8 * count) };
    let pairs = aligned.wrapping_mul(10).wrapping_add(aligned >> 8);
    let low = (pairs & 0xff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = (pairs >> 16 & 0xff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    (low.wrapping_add(high) >> 32, count)
}

/// mantissa · 10^exponent, correctly rounded.
fn scaled(mantissa: u64, exponent: i32) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let power = exponent.unsigned_abs();
    if mantissa <= 1 << f64::MANTISSA_DIGITS
        && let Some(&ten) = EXACT_TENS.get(power as usize)
    {
        return Some(if exponent < 0 { mantissa as f64 / ten } else { mantissa as f64 * ten });
    }
    let divisor = if exponent <= 0 { 5u64.checked_pow(power)? } else { return None };
    // mantissa / 5^power as integers, with 62 or 63 bits of quotient, the last of which is set if anything is left.
    let (up, down) = (mantissa.leading_zeros(), divisor.leading_zeros());
    let (numerator, denominator) = (u128::from(mantissa << up) << 62, divisor << down);
    let quotient = (numerator / u128::from(denominator)) as u64;
    let rest = (numerator as u64).wrapping_sub(quotient.wrapping_mul(denominator));
    let rounded = (quotient | u64::from(rest != 0)) as f64;
    let binary = down as i32 - up as i32 - 62 - power as i32;
    Some(rounded * f64::from_bits(u64::from((binary + 1023).cast_unsigned()) << 52))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a cell of a table, behind which the next cells follow.
    fn read(cell: &str) -> Option<(u64, usize)> {
        leading(format!("{cell},0.12345678\n").as_bytes()).map(|(value, length)| (value.to_bits(), length))
    }

    fn standard(cell: &str) -> Option<(u64, usize)> {
        Some((cell.parse::<f64>().expect("a number").to_bits(), cell.len()))
    }

    #[test]
    fn usual_numbers_are_taken() {
        for cell in [
            "0",
            "-0",
            "7",
            "-12",
            "0.5",
            "-0.0345",
            "1.",
            ".5",
            "1.5e-7",
            "2E+3",
            "00012.50",
            "123456789012345678",
            "9007199254740993",
            "0.1234567890123456",
            "-1.7976931348623157",
            "9007199254740993.0",
            "0.30000000000000004",
            "184467440737095516.5",
            "9999999999999999999",
        ] {
            assert_eq!(read(cell), standard(cell), "{cell}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_standard_library() {
        for cell in [
            "",
            "-",
            ".",
            "+1",
            "nan",
            "inf",
            "e5",
            "1e",
            "1e-",
            "1e12345",
            "1e300",
            "12345678901234567890",
            " 1",
        ] {
            assert_eq!(read(cell), None, "{cell:?}");
        }
        assert_eq!(leading(b"1.5\n"), None);
        assert_eq!(read("1_000").map(|(_, length)| length), Some(1));
    }

    proptest! {
        #[test]
        fn numbers_are_rounded_as_by_the_standard_library(
            cell in "-?[0-9]{1,10}(\\.[0-9]{0,17})?([eE][+-]?[0-9]{1,2})?",
        ) {
            if let found @ Some(_) = read(&cell) {
                prop_assert_eq!(found, standard(&cell));
            }
        }

        #[test]
        fn every_double_survives_being_written_and_read(value in proptest::num::f64::NORMAL) {
            for cell in [format!("{value:e}"), format!("{:?}", value % 1e6), format!("{:?}", (value % 1e6) as f32)] {
                if let found @ Some(_) = read(&cell) {
                    prop_assert_eq!(found, standard(&cell));
                }
            }
        }
    }
}
