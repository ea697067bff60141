//! Columns of bytes: text of which hardly any two values are the same, and what few rows have.

use crate::bits::Validity;
use crate::reading::Span;
use arrow_array::{ArrayRef, BinaryArray, ListArray, StringArray};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field};
use std::sync::Arc;

const STEP: usize = 32;

/// A column of text.
pub struct Text {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    validity: Validity,
    empty_is_null: bool,
}

impl Text {
    /// `empty_is_null`: values are never empty, so that one which is stands for an absent field.
    pub fn new(empty_is_null: bool, rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Text {
            bytes: Vec::with_capacity(bytes + STEP),
            offsets,
            validity: Validity::default(),
            empty_is_null,
        }
    }

    /// Appends the values, at most 64, that stand at `spans` in `source`.
    #[inline(always)]
    pub fn append(&mut self, source: &[u8], spans: &[Span]) {
        let mut nulls = 0;
        for (row, span) in spans.iter().enumerate() {
            let (start, end) = (span.start as usize, span.end as usize);
            let length = end - start;
            let is_null = length < 2
                && (length == 0 && self.empty_is_null || source.get(start..end) == Some(b"-"));
            nulls |= u64::from(is_null) << row;
            if !is_null {
                copy(&mut self.bytes, source, start, end);
            }
            self.offsets.push(self.bytes.len() as i32);
        }
        self.validity.append(nulls, spans.len());
    }

    pub fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(StringArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(self.offsets)),
            Buffer::from_vec(self.bytes),
            self.validity.finish(),
        )?))
    }
}

/// Copies in steps of fixed size, and takes back what was too much.
#[inline(always)]
fn copy(bytes: &mut Vec<u8>, source: &[u8], start: usize, end: usize) {
    let behind = bytes.len() + end - start;
    let mut at = start;
    while at < end {
        let Some(step) = source.get(at..at + STEP) else {
            bytes.extend_from_slice(&source[at..end]);
            break;
        };
        bytes.extend_from_slice(step);
        at += STEP;
    }
    bytes.truncate(behind);
}

/// What few rows have: the offsets where each row's begins, made up when needed.
#[derive(Default)]
struct Rare {
    rows: Vec<usize>,
    offsets: Vec<i32>,
}

impl Rare {
    /// Notes that row `row` has something, up to now `length` in all.
    fn note(&mut self, row: usize, length: usize) {
        self.rows.push(row);
        self.offsets.resize(row + 1, length as i32);
    }

    fn finish(mut self, rows: usize, length: usize) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        self.offsets.resize(rows + 1, length as i32);
        let mut valid = BooleanBufferBuilder::new(rows);
        valid.append_n(rows, false);
        for row in self.rows {
            valid.set_bit(row, true);
        }
        let validity = NullBuffer::new(valid.finish());
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        (
            offsets,
            Some(validity).filter(|found| found.null_count() > 0),
        )
    }
}

/// The bytes of the few lines that are kept whole.
#[derive(Default)]
pub struct Kept {
    bytes: Vec<u8>,
    rare: Rare,
}

impl Kept {
    pub fn push(&mut self, row: usize, bytes: &[u8]) {
        self.rare.note(row, self.bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub fn finish(self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let (offsets, validity) = self.rare.finish(rows, self.bytes.len());
        let bytes = Buffer::from_vec(self.bytes);
        Ok(Arc::new(BinaryArray::try_new(offsets, bytes, validity)?))
    }
}

/// The fields of the few lines that have more than are known.
#[derive(Default)]
pub struct Extra {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    rare: Rare,
}

impl Extra {
    pub fn push<'a>(&mut self, row: usize, fields: impl Iterator<Item = &'a [u8]>) {
        self.rare.note(row, self.ends.len());
        for field in fields {
            self.bytes.extend_from_slice(field);
            self.ends.push(self.bytes.len() as i32);
        }
    }

    pub fn finish(self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let (offsets, validity) = self.rare.finish(rows, self.ends.len());
        let starts = std::iter::once(0).chain(self.ends).collect();
        let values = StringArray::try_new(
            OffsetBuffer::new(starts),
            Buffer::from_vec(self.bytes),
            None,
        )?;
        let item = Arc::new(Field::new("item", DataType::Utf8, true));
        let lists = ListArray::try_new(item, offsets, Arc::new(values), validity)?;
        Ok(Arc::new(lists))
    }
}
