//! The line of a request's own record, where no value needs encoding: on every request's way, and
//! a third of what `compose` takes for it. `line.encode` says what is right.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Whether text needs no encoding outside quotes; a lone hyphen does.
fn is_plain(text: &str) -> bool {
    text != "-"
        && text
            .bytes()
            .all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

/// Whether text needs no encoding inside quotes; a lone hyphen does.
fn is_quotable(text: &str) -> bool {
    text != "-"
        && text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~'))
}

/// Nearest whole milliseconds between two marks of one clock in nanoseconds, and at least 1.
fn milliseconds(start: i64, end: i64) -> i64 {
    ((end - start + 500_000).div_euclid(1_000_000)).max(1)
}

struct Line(Vec<u8>);

impl Line {
    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b' ');
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.text(text.unwrap_or("-"));
    }

    fn quoted(&mut self, text: Option<&str>) {
        self.0.push(b'"');
        self.0.extend_from_slice(text.unwrap_or("-").as_bytes());
        self.0.extend_from_slice(b"\" ");
    }

    fn number(&mut self, value: Option<i64>) {
        match value {
            None => self.text("-"),
            Some(value) => self.text(itoa::Buffer::new().format(value)),
        }
    }
}

/// The line, or None where a value needs encoding. `start` holds the fields up to the
/// requester, `session` those from signature version to TLS version, `end` all behind them with
/// the line's end. `key` is encoded already. Raises OverflowError beyond 64 bits.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
#[pyo3(signature = (
    start, request_id, log_name, key, method, target, version, status, error, bytes_sent, size, began,
    body_received, first_sent, last_sent, has_turn_around, referer, user_agent, version_id, host_id,
    session, end, /
))]
pub fn compose_line<'py>(
    py: Python<'py>,
    start: &str,
    request_id: &str,
    log_name: &str,
    key: &str,
    method: &str,
    target: &str,
    version: &str,
    status: Option<i64>,
    error: Option<&str>,
    bytes_sent: Option<i64>,
    size: Option<i64>,
    began: i64,
    body_received: Option<i64>,
    first_sent: Option<i64>,
    last_sent: Option<i64>,
    has_turn_around: bool,
    referer: Option<&str>,
    user_agent: Option<&str>,
    version_id: Option<&str>,
    host_id: Option<&str>,
    session: &str,
    end: &str,
) -> Option<Bound<'py, PyBytes>> {
    let is_fit = [method, target, version].into_iter().all(is_quotable)
        && error.is_none_or(is_plain)
        && version_id.is_none_or(is_plain)
        && referer.is_none_or(is_quotable)
        && user_agent.is_none_or(is_quotable)
        && [status, bytes_sent, size]
            .iter()
            .flatten()
            .all(|value| *value >= 0);
    if !is_fit {
        return None;
    }
    let mut line = Line(Vec::with_capacity(1024));
    line.text(start);
    line.text(request_id);
    line.text(log_name);
    line.text(key);
    line.0.push(b'"');
    line.text(method);
    line.text(target);
    line.0.extend_from_slice(version.as_bytes());
    line.0.extend_from_slice(b"\" ");
    line.number(status);
    line.maybe(error);
    line.number(bytes_sent.filter(|sent| *sent != 0));
    line.number(size);
    line.number(
        last_sent
            .filter(|at| *at != 0)
            .map(|at| milliseconds(began, at)),
    );
    let turn_around = match (
        has_turn_around,
        body_received.unwrap_or(0),
        first_sent.unwrap_or(0),
    ) {
        (true, received, sent) if received != 0 && sent != 0 && received <= sent => {
            Some(milliseconds(received, sent))
        }
        _ => None,
    };
    line.number(turn_around);
    line.quoted(referer);
    line.quoted(user_agent);
    line.maybe(version_id);
    line.maybe(host_id);
    line.text(session);
    line.0.extend_from_slice(end.as_bytes());
    Some(PyBytes::new(py, &line.0))
}
