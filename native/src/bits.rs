//! Columns of bits, filled up to 64 at a time.

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};

/// A column of bits.
#[derive(Default)]
pub struct Bits {
    words: Vec<u64>,
    length: usize,
}

impl Bits {
    /// Appends the lowest `count` bits of a word, at most 64; the others must be zero.
    #[inline(always)]
    pub fn append(&mut self, bits: u64, count: usize) {
        if count == 0 {
            return;
        }
        let filled = self.length % 64;
        if filled == 0 {
            self.words.push(bits);
        } else {
            if let Some(last) = self.words.last_mut() {
                *last |= bits << filled;
            }
            if filled + count > 64 {
                self.words.push(bits >> (64 - filled));
            }
        }
        self.length += count;
    }

    pub fn finish(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.words), 0, self.length)
    }
}

/// Which values of a column are there.
#[derive(Default)]
pub struct Validity {
    valid: Bits,
    nulls: usize,
}

impl Validity {
    /// Appends `count` values, at most 64, of which those with a bit in `nulls` are null.
    #[inline(always)]
    pub fn append(&mut self, nulls: u64, count: usize) {
        self.nulls += nulls.count_ones() as usize;
        self.valid.append(!nulls & lowest(count), count);
    }

    /// None where no value is null.
    pub fn finish(self) -> Option<NullBuffer> {
        (self.nulls > 0).then(|| NullBuffer::new(self.valid.finish()))
    }
}

/// A word whose lowest `count` bits are set.
fn lowest(count: usize) -> u64 {
    match count {
        0 => 0,
        _ => u64::MAX >> (64 - count.min(64)),
    }
}
