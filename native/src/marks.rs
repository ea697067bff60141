//! Where the tokens of a line end, found 64 bytes at a time: quotes and blanks become bits, and
//! only the blanks outside quotes count. What it finds is right for lines whose quotes come in
//! pairs around whole tokens; `shape` makes sure of that before it relies on it.

use crate::reading::Span;
use fearless_simd::prelude::*;
use fearless_simd::u8x64;

/// As many tokens as are marked; a line with more is for `reading`.
pub const MOST_TOKENS: usize = 64;
const STEP: usize = 64;

/// The tokens of one line.
///
/// `ends` are the places of the blanks outside quotes, and of the line's end. `start` and `end`
/// are the line's, without its end; `next` is where the next line starts.
pub struct Marks {
    pub start: usize,
    pub end: usize,
    pub next: usize,
    pub tokens: usize,
    pub quotes: u32,
    /// Single blanks between tokens, none before and behind, and not too many tokens.
    pub is_tidy: bool,
    pub is_ascii: bool,
    pub ends: [u32; MOST_TOKENS + STEP],
}

/// 64 bytes as bits: blanks, quotes, line ends; and whether all are ASCII.
struct Bits {
    blanks: u64,
    quotes: u64,
    line_ends: u64,
    is_ascii: bool,
}

impl Bits {
    #[inline(always)]
    fn of<S: Simd>(simd: S, bytes: &[u8; STEP]) -> Bits {
        let bytes = u8x64::from_slice(simd, bytes);
        let equal = |byte: u8| bytes.simd_eq(u8x64::splat(simd, byte)).to_bitmask();
        Bits {
            blanks: equal(b' '),
            quotes: equal(b'"'),
            line_ends: equal(b'\n'),
            is_ascii: bytes.simd_ge(u8x64::splat(simd, 0x80)).to_bitmask() == 0,
        }
    }
}

/// Each bit becomes the parity of the bits up to and with it: set from an opening quote up to its
/// closing quote.
#[inline(always)]
fn parities(bits: u64) -> u64 {
    let bits = bits ^ bits << 1;
    let bits = bits ^ bits << 2;
    let bits = bits ^ bits << 4;
    let bits = bits ^ bits << 8;
    let bits = bits ^ bits << 16;
    bits ^ bits << 32
}

impl Default for Marks {
    fn default() -> Self {
        Marks {
            start: 0,
            end: 0,
            next: 0,
            tokens: 0,
            quotes: 0,
            is_tidy: false,
            is_ascii: false,
            ends: [0; MOST_TOKENS + STEP],
        }
    }
}

impl Marks {
    /// Marks the line that starts at `start`, which is inside `data`.
    #[inline(always)]
    pub fn mark<S: Simd>(&mut self, simd: S, data: &[u8], start: usize) {
        self.start = start;
        self.tokens = 0;
        self.quotes = 0;
        let mut at = start;
        let mut inside = 0; // all bits set where quotes are open
        let mut after_end = 1; // whether the byte before is a blank, or the line's start
        let mut doubled = 0;
        let mut is_ascii = true;
        loop {
            let bits = match data.get(at..at + STEP) {
                Some(bytes) => Bits::of(simd, bytes.try_into().unwrap_or(&[b'\n'; STEP])),
                None => Bits::of(simd, &padded(&data[at..])),
            };
            is_ascii &= bits.is_ascii;
            let line_end = bits.line_ends & bits.line_ends.wrapping_neg();
            let before = line_end.wrapping_sub(1); // all bits where there is no end
            let quotes = bits.quotes & before;
            let quoted = parities(quotes) ^ inside;
            inside = ((quoted as i64) >> 63) as u64;
            let ends = (bits.blanks & before & !quoted) | line_end;
            doubled |= ends & (ends << 1 | after_end);
            after_end = ends >> 63;
            self.quotes += quotes.count_ones();
            self.note(ends, at);
            if line_end != 0 {
                self.end = at + line_end.trailing_zeros() as usize;
                self.next = self.end + 1;
                break;
            }
            if self.tokens > MOST_TOKENS {
                self.skip(data, at + STEP);
                break;
            }
            at += STEP;
        }
        self.is_ascii = is_ascii;
        self.is_tidy = doubled == 0 && self.tokens <= MOST_TOKENS;
    }

    /// Notes the places of the set bits; at most `MOST_TOKENS` are there already.
    #[inline(always)]
    fn note(&mut self, mut bits: u64, base: usize) {
        let count = bits.count_ones() as usize;
        let mut from = self.tokens;
        let behind = from + count;
        // Eight at once, whether there are as many or not: branches cost more than that.
        loop {
            if let Some(places) = self.ends[from..].first_chunk_mut::<8>() {
                for place in places {
                    *place = base as u32 + bits.trailing_zeros();
                    bits &= bits.wrapping_sub(1);
                }
            }
            from += 8;
            if from >= behind {
                break;
            }
        }
        self.tokens = behind;
    }

    /// Finds the end of a line with too many tokens.
    #[cold]
    fn skip(&mut self, data: &[u8], at: usize) {
        let rest = data.get(at..).unwrap_or_default();
        self.end = memchr::memchr(b'\n', rest).map_or(data.len(), |length| at + length);
        self.next = self.end + 1;
    }

    /// Where a token stands.
    #[inline(always)]
    pub fn token_span(&self, index: usize) -> Span {
        let start = match index {
            0 => self.start as u32,
            _ => self.ends[index - 1] + 1,
        };
        Span {
            start,
            end: self.ends[index],
        }
    }

    /// Leaves out the carriage return that the line ends with.
    pub fn drop_carriage_return(&mut self) {
        self.end -= 1;
        if let Some(last) = self.tokens.checked_sub(1)
            && self.is_tidy
        {
            self.ends[last] -= 1;
            self.is_tidy = last == 0 || self.ends[last] > self.ends[last - 1] + 1;
        }
    }
}

/// The last bytes of all, with line ends behind them.
#[cold]
fn padded(bytes: &[u8]) -> [u8; STEP] {
    let mut whole = [b'\n'; STEP];
    whole[..bytes.len()].copy_from_slice(bytes);
    whole
}
