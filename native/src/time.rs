//! The time of a record: `06/Feb/2019:00:00:38 +0000` as seconds since 1970 UTC.

const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAY_S: i64 = 86_400;

/// Seconds since 1970 UTC; None for text that is no time, or a time that never was.
///
/// Years go from 1 to 9999 and seconds to 59, as Python's datetime has them.
pub fn instant(text: &[u8]) -> Option<i64> {
    let text: &[u8; 26] = text.try_into().ok()?;
    let separators = [2, 6, 11, 14, 17, 20].map(|at| text[at]);
    if &separators != b"//::: " {
        return None;
    }
    let day = days(text[..11].try_into().ok()?)?;
    let (hour, minute, second) = (two(text, 12)?, two(text, 15)?, two(text, 18)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let sign = match text[21] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let offset = sign * (two(text, 22)? * 60 + two(text, 24)?) * 60;
    Some(day * DAY_S + hour * 3600 + minute * 60 + second - offset)
}

/// Seconds since 1970 of `[06/Feb/2019`, at its midnight.
pub fn instant_of_date(text: &[u8; 12]) -> Option<i64> {
    let [b'[', date @ ..] = text else {
        return None;
    };
    let separators = [date[2], date[6]] == *b"//";
    Some(days(date).filter(|_| separators)? * DAY_S)
}

/// The seconds of `:00:00:38` since midnight.
#[inline(always)]
pub fn of_day(text: &[u8; 9]) -> Option<i64> {
    let (hour, minute, second) = (two(text, 1)?, two(text, 4)?, two(text, 7)?);
    let is_time = [text[0], text[3], text[6]] == *b":::" && hour < 24 && minute < 60 && second < 60;
    is_time.then_some(hour * 3600 + minute * 60 + second)
}

/// Days since 1970 of `06/Feb/2019`.
fn days(text: &[u8; 11]) -> Option<i64> {
    let day = two(text, 0)?;
    let month = MONTHS
        .chunks_exact(3)
        .position(|name| *name == text[3..6])?;
    let year = two(text, 7)? * 100 + two(text, 9)?;
    let leap = month == 1 && (year % 4 == 0 && year % 100 != 0 || year % 400 == 0);
    if year == 0 || day == 0 || day > DAYS[month] + i64::from(leap) {
        return None;
    }
    // Days from the civil calendar, in years that begin in March.
    let (month, year) = (month as i64 + 1, year - i64::from(month < 2));
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The number that two digits are.
fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn times_are_moved_to_utc() {
        assert_eq!(instant(b"01/Jan/1970:00:00:00 +0000"), Some(0));
        assert_eq!(instant(b"29/Feb/2024:23:59:59 +0000"), Some(1_709_251_199));
        assert_eq!(instant(b"31/Dec/1969:23:30:00 -0030"), Some(0));
        assert_eq!(
            instant(b"01/Jan/0001:00:00:00 +0000"),
            Some(-62_135_596_800)
        );
        assert_eq!(
            instant(b"31/Dec/9999:23:59:59 -9999"),
            Some(253_402_663_139)
        );
    }

    #[test]
    fn times_that_never_were_are_refused() {
        for text in [
            &b"29/Feb/2023:23:59:59 +0000"[..],
            b"31/Apr/2024:00:00:00 +0000",
            b"01/Jan/0000:00:00:00 +0000",
            b"01/Mrz/2024:00:00:00 +0000",
            b"01/Jan/2024:24:00:00 +0000",
            b"01/Jan/2024:00:00:60 +0000",
            b"01/Jan/2024:00:00:00 00000",
            b"01/Jan/2024:00:00:00",
            b"",
        ] {
            assert_eq!(instant(text), None);
        }
    }
}
