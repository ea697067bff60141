"""Every way to read a line."""

from __future__ import annotations

import pytest
from tests.support.conformance import LINES

from bucketlog.accesslog import line


@pytest.mark.parametrize("name", LINES)
def test_what_decode_takes_is_one_of_the_readings(name: str) -> None:
    decoded, readings = line.decode(LINES[name].data), line.readings(LINES[name].data)
    if decoded.record is None:
        assert readings == ()
    else:
        assert decoded in readings
        assert (len(readings) > 1) is decoded.ambiguous


def test_no_more_readings_are_made_than_asked_for() -> None:
    data = next(each.data for each in LINES.values() if each.is_ambiguous)
    assert len(line.readings(data, most=1)) == 1
