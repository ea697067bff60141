"""`bucketlog demo` tells the story with real requests, and fails when it isn't true."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bucketlog.cli.demo import Stage
from bucketlog.problems import Problem

DEMO = [sys.executable, "-m", "bucketlog", "demo"]


def test_the_demo_tells_the_story_plainly_when_piped() -> None:
    done = subprocess.run(DEMO, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    told = re.sub(r"\s+", " ", done.stdout)
    for sentence in (
        "logging is off by default",
        "not permitted: the policy of bucket photos-logs does not let logging.s3.amazonaws.com",
        "GET cat.png, anonymous 403 AccessDenied",
        "the caller was not authenticated: an anonymous request",
        '"Sid": "S3ServerAccessLogsPolicy"',
        "Everything told above was checked.",
    ):
        assert sentence in told
    folder = re.search(r"store in (\S+)", done.stdout)
    assert folder is not None
    assert not Path(folder[1]).exists()


def test_kept_running_it_says_how_to_use_it_and_ends_with_ctrl_c() -> None:
    # Where the tests themselves run in the background, the signal of Ctrl-C comes in ignored.
    with subprocess.Popen(
        [*DEMO, "--keep"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        told = {}
        for line in process.stdout:
            told |= dict(re.findall(r"(AWS_[A-Z_]+)=(\S+)", line))
            if "aws s3 ls --recursive" in line:
                break
        listed = subprocess.run(
            [sys.executable, "-m", "awscli", "s3", "ls", "--recursive", "s3://photos-logs"],
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert re.search(r"photos/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}\n", listed.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_step_that_did_not_happen_ends_the_demo(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "http://127.0.0.1:1", ("AKIAEXAMPLE000000000", "secret"))
    stage.expect(True, "this happened")
    with pytest.raises(Problem, match="did not happen as told: the sky is green"):
        stage.expect(False, "the sky is green")
