//! The columns of rejects, as `reader/schema.py` has them (LINE_REJECTS).

use crate::reading::Refusal;
use arrow_array::StringArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, Int32Array, Int64Array, RecordBatch};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, Field, Schema};
use std::sync::Arc;

/// Lines that are no records, whole, and why.
pub struct Rejects {
    line_numbers: Vec<i64>,
    offsets: Vec<i64>,
    reasons: Vec<i32>,
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Default for Rejects {
    fn default() -> Self {
        Rejects {
            line_numbers: Vec::new(),
            offsets: Vec::new(),
            reasons: Vec::new(),
            bytes: Vec::new(),
            ends: vec![0],
        }
    }
}

impl Rejects {
    /// `line` is without its end; `offset` is that of its first byte.
    pub fn push(&mut self, line: &[u8], refusal: Refusal, line_number: i64, offset: i64) {
        self.line_numbers.push(line_number);
        self.offsets.push(offset);
        self.reasons.push(refusal as i32);
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len() as i32);
    }

    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        let words = Refusal::ALL.map(Refusal::words).to_vec();
        let reasons = DictionaryArray::<Int32Type>::try_new(
            Int32Array::from(self.reasons),
            Arc::new(StringArray::from(words)),
        )?;
        let bytes = BinaryArray::try_new(
            OffsetBuffer::new(ScalarBuffer::from(self.ends)),
            Buffer::from_vec(self.bytes),
            None,
        )?;
        let columns: [(&str, ArrayRef); 4] = [
            ("line_number", Arc::new(Int64Array::from(self.line_numbers))),
            ("offset", Arc::new(Int64Array::from(self.offsets))),
            ("reason", Arc::new(reasons)),
            ("bytes", Arc::new(bytes)),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), false))
            .collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
    }
}
