//! The scan: line after line into rows and rejects. Each line becomes one of the two.

use crate::marks::Marks;
use crate::reading;
use crate::rejects::Rejects;
use crate::rows::Rows;
use crate::shape::{self, Recent};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use std::borrow::Cow;

/// Bytes of a line, roughly: for reserving room only.
const USUAL_LINE: usize = 400;

/// The rows and the rejects in `data`. `first_line` is the number of its first line,
/// `first_offset` the offset of its first byte.
pub fn parse(
    data: &[u8],
    first_line: i64,
    first_offset: i64,
) -> Result<(RecordBatch, RecordBatch), ArrowError> {
    let mut rows = Rows::new(data.len() / USUAL_LINE + 64, data.len());
    let mut rejects = Rejects::default();
    let mut marks = Marks::default();
    let mut recent = Recent::default();
    let mut line_number = first_line;
    let mut at = 0;
    while at < data.len() {
        marks.mark(data, at);
        if marks.end > at && data[marks.end - 1] == b'\r' {
            marks.drop_carriage_return();
        }
        let line = &data[at..marks.end];
        rows.batch.line_numbers[rows.batch.rows] = line_number;
        let is_utf_8 = marks.is_ascii || str::from_utf8(line).is_ok();
        if !is_utf_8 || shape::read(data, &marks, &mut rows.batch, &mut recent).is_none() {
            rows.batch.forget_next();
            let text = repaired(line, is_utf_8);
            match reading::read(&text) {
                Err(refusal) => {
                    let offset = first_offset.wrapping_add(at as i64);
                    rejects.push(line, refusal, line_number, offset);
                }
                Ok(read) => {
                    // Its text stands elsewhere than that of the rows so far.
                    rows.flush(data);
                    rows.batch.line_numbers[0] = line_number;
                    rows.push(&text, &read, (read.ambiguous || !is_utf_8).then_some(line));
                    rows.flush(&text);
                }
            }
        }
        if rows.batch.is_full() {
            rows.flush(data);
        }
        line_number = line_number.wrapping_add(1);
        at = marks.next;
    }
    rows.flush(data);
    Ok((rows.finish()?, rejects.finish()?))
}

/// The line as UTF-8, what is not being replaced.
fn repaired(line: &[u8], is_utf_8: bool) -> Cow<'_, [u8]> {
    if is_utf_8 {
        return Cow::Borrowed(line);
    }
    match String::from_utf8_lossy(line) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
