//! The scan: line after line into rows and rejects. Each line becomes one of the two.

use crate::marks::Marks;
use crate::reading;
use crate::rejects::Rejects;
use crate::rows::Rows;
use crate::shape::{self, Recent};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use fearless_simd::{Level, Simd};

/// How much is looked at to reserve room.
const SAMPLE: usize = 1 << 16;

/// Bytes of a record that is shorter than most.
const SHORT_LINE: usize = 256;

/// The rows and the rejects in `data`. `first_line` is the number of its first line,
/// `first_offset` the offset of its first byte.
pub fn parse(
    data: &[u8],
    first_line: i64,
    first_offset: i64,
) -> Result<(RecordBatch, RecordBatch), ArrowError> {
    // The scan is compiled once for each kind of processor, with all that is inlined into it.
    let level = Level::new();
    fearless_simd::dispatch!(level, simd => lines(simd, data, first_line, first_offset))
}

/// How many lines there are, roughly.
fn estimated(data: &[u8]) -> usize {
    let sample = &data[..data.len().min(SAMPLE)];
    let lines = memchr::memchr_iter(b'\n', sample).count() + 1;
    let all = lines + lines * (data.len() / sample.len().max(1)) * 17 / 16;
    all.min(data.len() / SHORT_LINE + 1)
}

#[inline(always)]
fn lines<S: Simd>(
    simd: S,
    data: &[u8],
    first_line: i64,
    first_offset: i64,
) -> Result<(RecordBatch, RecordBatch), ArrowError> {
    let mut rows = Rows::new(estimated(data), data.len());
    let mut rejects = Rejects::default();
    let mut marks = Marks::default();
    let mut recent = Recent::default();
    let mut line_number = first_line;
    let mut at = 0;
    while at < data.len() {
        marks.mark(simd, data, at);
        if marks.end > at && data[marks.end - 1] == b'\r' {
            marks.drop_carriage_return();
        }
        let line = &data[at..marks.end];
        rows.batch.line_numbers[rows.batch.rows] = line_number;
        let is_utf_8 = marks.is_ascii || str::from_utf8(line).is_ok();
        if !is_utf_8 || shape::read(data, &marks, &mut rows, &mut recent).is_none() {
            rows.batch.forget_next();
            let repaired = if is_utf_8 { None } else { Some(repaired(line)) };
            match reading::read(repaired.as_deref().unwrap_or(line)) {
                Err(refusal) => {
                    let offset = first_offset.wrapping_add(at as i64);
                    rejects.push(line, refusal, line_number, offset);
                }
                Ok(read) => match repaired {
                    None => rows.push(data, at, &read, read.ambiguous.then_some(line)),
                    Some(text) => {
                        // Its text stands elsewhere than that of the other rows.
                        rows.flush(data);
                        rows.batch.line_numbers[0] = line_number;
                        rows.push(&text, 0, &read, Some(line));
                        rows.flush(&text);
                    }
                },
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

/// The line as UTF-8: what is not is replaced, as Python does it.
fn repaired(line: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(line).into_owned().into_bytes()
}
