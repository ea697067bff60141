//! Numbers and short words out of bytes, eight at a time.

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight bytes as one word, the first byte lowest; None beyond the ends.
#[inline(always)]
pub fn word(data: &[u8], at: usize) -> Option<u64> {
    let bytes = data.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The word's first `length` bytes; the others become zero.
#[inline(always)]
pub fn first(word: u64, length: usize) -> u64 {
    match length {
        0 => 0,
        1..8 => word & (u64::MAX >> (64 - 8 * length)),
        _ => word,
    }
}

/// A short text as `first` gives it.
pub const fn text(bytes: &[u8]) -> u64 {
    let mut word = 0;
    let mut index = bytes.len();
    while index > 0 {
        index -= 1;
        word = word << 8 | bytes[index] as u64;
    }
    word
}

/// The count that 1 to 18 digits are; a hyphen is None. The outer None: it is neither.
#[inline(always)]
pub fn count(data: &[u8], start: usize, end: usize) -> Option<Option<i64>> {
    let length = end - start;
    let last = word(data, end.checked_sub(8)?)?;
    if length > 8 {
        return long_count(data.get(start..end)?).map(Some);
    }
    let others = u64::MAX.checked_shr(8 * length as u32).unwrap_or(0);
    let digits = last & !others | ZEROS & others;
    let is_hyphen = length == 1 && last >> 56 == u64::from(b'-');
    let value = (!is_hyphen).then(|| eight(digits));
    (is_hyphen || are_digits(digits)).then_some(value)
}

#[inline(always)]
fn are_digits(word: u64) -> bool {
    const HIGH: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    (word & HIGH) | ((word.wrapping_add(0x0606_0606_0606_0606) & HIGH) >> 4)
        == 0x3333_3333_3333_3333
}

/// Eight digits, as a number: neighbours are joined to pairs, these to fours, these to eight.
#[inline(always)]
fn eight(digits: u64) -> i64 {
    let pairs = (digits & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul(2561) >> 8;
    let fours = (pairs & 0x00FF_00FF_00FF_00FF).wrapping_mul(6_553_601) >> 16;
    ((fours & 0x0000_FFFF_0000_FFFF).wrapping_mul(42_949_672_960_001) >> 32) as i64
}

/// Digits, at most 18, as a number.
pub fn long_count(text: &[u8]) -> Option<i64> {
    let are_digits = text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    are_digits.then(|| {
        text.iter()
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    })
}

/// The status that three digits are; a hyphen is None. The outer None: it is neither.
#[inline(always)]
pub fn status(data: &[u8], start: usize, end: usize) -> Option<Option<i16>> {
    match data.get(start..end)? {
        [hundreds, tens, ones]
            if hundreds.is_ascii_digit() && tens.is_ascii_digit() && ones.is_ascii_digit() =>
        {
            let digit = |byte: &u8| i16::from(byte - b'0');
            Some(Some(100 * digit(hundreds) + 10 * digit(tens) + digit(ones)))
        }
        b"-" => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_whatever_stands_before_them() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("48213", 48213),
            ("12345678", 12_345_678),
            ("123456789", 123_456_789),
            ("999999999999999999", 999_999_999_999_999_999),
            ("000", 0),
        ] {
            let data = format!("x7 99999999{text}");
            let start = data.len() - text.len();
            let found = count(data.as_bytes(), start, data.len());
            assert_eq!(found, Some(Some(value)), "{text}");
        }
        assert_eq!(count(b"12345678-", 8, 9), Some(None));
    }

    #[test]
    fn what_is_no_count_is_none() {
        for text in [
            "--",
            "1-",
            "-1",
            "1a",
            ":",
            "/",
            "1234567890123456789",
            "\u{b2}",
        ] {
            let data = format!("12345678{text}");
            assert_eq!(count(data.as_bytes(), 8, data.len()), None, "{text}");
        }
    }

    #[test]
    fn the_first_bytes_of_a_word_are_a_text() {
        let word = word(b"SigV4 AuthHeader", 0).unwrap();
        assert_eq!(first(word, 5), text(b"SigV4"));
        assert_eq!(first(word, 0), 0);
        assert_eq!(first(word, 8), text(b"SigV4 Au"));
    }
}
