//! Up to 64 rows that were read and not yet put into columns: numbers as such, text as places in
//! the bytes it was read from. Columns then take their values at a run, which costs less than one
//! row after the other.

use crate::reading::{FIELDS, Span};

/// A bit each.
pub const MOST_ROWS: usize = 64;

/// Rows; each array has a place for each row, each word a bit.
pub struct Batch {
    pub rows: usize,
    /// By the field's place in the line. Only those of text are used; an absent field is empty.
    pub spans: [[Span; MOST_ROWS]; FIELDS],
    /// Bucket owner and bucket, and the fields from the signature version on: numbers of texts.
    pub heads: [u32; MOST_ROWS],
    pub tails: [u32; MOST_ROWS],
    pub times_us: [i64; MOST_ROWS],
    pub statuses: [i16; MOST_ROWS],
    pub status_nulls: u64,
    pub counts: [[i64; MOST_ROWS]; 4],
    pub count_nulls: [u64; 4],
    pub acl_required: u64,
    pub acl_nulls: u64,
    pub ambiguous: u64,
    pub field_counts: [i16; MOST_ROWS],
    pub line_numbers: [i64; MOST_ROWS],
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            rows: 0,
            spans: [[Span::default(); MOST_ROWS]; FIELDS],
            heads: [0; MOST_ROWS],
            tails: [0; MOST_ROWS],
            times_us: [0; MOST_ROWS],
            statuses: [0; MOST_ROWS],
            status_nulls: 0,
            counts: [[0; MOST_ROWS]; 4],
            count_nulls: [0; 4],
            acl_required: 0,
            acl_nulls: 0,
            ambiguous: 0,
            field_counts: [0; MOST_ROWS],
            line_numbers: [0; MOST_ROWS],
        }
    }
}

impl Batch {
    pub fn is_full(&self) -> bool {
        self.rows == MOST_ROWS
    }

    /// Forgets what was noted of the row behind the last one, which turned out not to be taken.
    pub fn forget_next(&mut self) {
        let taken = !(1_u64.checked_shl(self.rows as u32).unwrap_or(0));
        self.status_nulls &= taken;
        self.acl_required &= taken;
        self.acl_nulls &= taken;
        self.count_nulls = self.count_nulls.map(|nulls| nulls & taken);
    }

    /// Forgets the rows; only what is added to needs clearing.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.status_nulls = 0;
        self.count_nulls = [0; 4];
        self.acl_required = 0;
        self.acl_nulls = 0;
        self.ambiguous = 0;
    }
}
