//! The hot scan of bucketlog: log bytes in, Arrow columns out. `accesslog/line.py` says what is
//! right; this says it fast.

mod batch;
mod bits;
mod compose; // the server's: `accesslog/compose.py` needs it
mod dictionary;
mod joint;
mod marks;
mod numbers;
mod reading;
mod rejects;
mod rows;
mod scan;
mod shape;
mod tail;
mod text;
mod time;

use arrow_array::RecordBatch;
use arrow_pyarrow::PyArrowType;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::hint::black_box;
use std::sync::Once;

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

/// Tells the C library's allocator to keep what is freed, up to some 60 MB, for the next block.
///
/// glibc gives freed memory back beyond twice the size of the biggest block that it has mapped and
/// unmapped (mallopt(3), M_MMAP_THRESHOLD), and getting it again costs a third of the time that
/// parsing takes. So one such block comes and goes, never touched. Elsewhere this does nothing.
fn keep_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(31 << 20))));
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
    keep_memory();
    let (rows, rejects) = py
        .detach(|| scan::parse(data, first_line, first_offset))
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
