import pyarrow as pa

def compose_line(
    start: str,
    request_id: str,
    log_name: str,
    key: str,
    method: str,
    target: str,
    version: str,
    status: int | None,
    error: str | None,
    bytes_sent: int | None,
    size: int | None,
    began: int,
    body_received: int | None,
    first_sent: int | None,
    last_sent: int | None,
    has_turn_around: bool,
    referer: str | None,
    user_agent: str | None,
    version_id: str | None,
    host_id: str | None,
    session: str,
    end: str,
    /,
) -> bytes | None: ...
def count_lines(data: bytes) -> int: ...
def parse_lines(
    data: bytes, first_line: int, first_offset: int
) -> tuple[pa.RecordBatch, pa.RecordBatch]: ...
