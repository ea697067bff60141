//! The hot scan of bucketlog: log bytes in, Arrow columns out. `accesslog/line.py` says what is
//! right; this says it fast.

use pyo3::prelude::*;

mod compose;

/// How many lines the bytes hold; a last one without its end counts.
#[pyfunction]
fn count_lines(py: Python<'_>, data: &[u8]) -> usize {
    py.detach(|| {
        let ends = memchr::memchr_iter(b'\n', data).count();
        ends + usize::from(data.last().is_some_and(|byte| *byte != b'\n'))
    })
}

/// The kernel, as `bucketlog._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compose::compose_line, module)?)?;
    module.add_function(wrap_pyfunction!(count_lines, module)?)
}
