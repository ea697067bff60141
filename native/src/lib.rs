//! The hot scan of bucketlog: log bytes in, Arrow columns out. `accesslog/line.py` says what is
//! right; this says it fast.

mod columns;
mod compose; // the server's: `accesslog/compose.py` needs it
mod reading;
mod tail;
mod time;

use arrow_array::RecordBatch;
use arrow_pyarrow::PyArrowType;
use arrow_schema::ArrowError;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// As much as is parsed in one go: repaired text is up to three times as long, and offsets of
/// Arrow's strings have 31 bits.
const MOST_BYTES: usize = 1 << 29;

/// How many lines the bytes hold; a last one without its end counts.
#[pyfunction]
fn count_lines(py: Python<'_>, data: &[u8]) -> usize {
    py.detach(|| {
        let ends = memchr::memchr_iter(b'\n', data).count();
        ends + usize::from(data.last().is_some_and(|byte| *byte != b'\n'))
    })
}

fn parse(
    data: &[u8],
    first_line: i64,
    first_offset: i64,
) -> Result<(RecordBatch, RecordBatch), ArrowError> {
    let mut rows = columns::Rows::new();
    let mut rejects = columns::Rejects::default();
    let mut number = first_line;
    let mut at = 0;
    while at < data.len() {
        let end = memchr::memchr(b'\n', &data[at..]).map_or(data.len(), |length| at + length);
        let line = &data[at..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        match reading::read(text.as_bytes()) {
            Ok(reading) => {
                let odd = reading.ambiguous || matches!(text, std::borrow::Cow::Owned(_));
                rows.push(&text, &reading, odd.then_some(line), number);
            }
            Err(refusal) => rejects.push(refusal, line, number, first_offset + at as i64),
        }
        number += 1;
        at = end + 1;
    }
    Ok((rows.finish()?, rejects.finish()?))
}

type Batches = (PyArrowType<RecordBatch>, PyArrowType<RecordBatch>);

/// The lines in `data` as rows and as rejects; `first_line` and `first_offset` are the number of
/// the first line and the offset of its first byte.
#[pyfunction]
fn parse_lines(
    py: Python<'_>,
    data: &[u8],
    first_line: i64,
    first_offset: i64,
) -> PyResult<Batches> {
    if data.len() > MOST_BYTES {
        return Err(PyValueError::new_err(format!(
            "at most {MOST_BYTES} bytes are parsed at once, not {}",
            data.len()
        )));
    }
    let (rows, rejects) = py
        .detach(|| parse(data, first_line, first_offset))
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok((rows.into(), rejects.into()))
}

/// The kernel, as `bucketlog._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compose::compose_line, module)?)?;
    module.add_function(wrap_pyfunction!(count_lines, module)?)?;
    module.add_function(wrap_pyfunction!(parse_lines, module)?)
}
