"""A real process, a real disk, and kill -9."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bucketlog.disk import RealDisk
from bucketlog.spool.folder import claim
from bucketlog.spool.frame import INTENT
from bucketlog.spool.writer import Spool, SpoolSettings

# Says on stdout what is about to be promised (?) and what was promised (!), and never stops.
PROGRAM = """
import os, sys, threading, time
from pathlib import Path
from bucketlog.disk import RealDisk
from bucketlog.spool.folder import claim
from bucketlog.spool.frame import Part
from bucketlog.spool.writer import Spool, SpoolSettings

def say(text):
    os.write(1, text.encode() + b"\\n")

folder = claim(RealDisk(), Path(sys.argv[1]), lambda: "a" * 16)
spool = Spool.open(folder, SpoolSettings(segment_bytes=2000), time.time_ns)

def upkeep():
    while True:
        spool.tick()

threading.Thread(target=upkeep, daemon=True).start()
life, number = sys.argv[2], 0
while True:
    number += 1
    name = f"{life}.{number}"
    say("?" + name)
    ticket = spool.intend([Part(b"t", 1, f"begun {name}\\n".encode())])
    say("i" + name)
    spool.complete(ticket, [Part(b"t", 1, f"done {name}\\n".encode())])
    say("!" + name)
"""


@pytest.mark.parametrize("acknowledged", [1, 150, 700])
def test_kill_9_loses_nothing_promised_and_repeats_nothing(
    tmp_path: Path, acknowledged: int
) -> None:
    asked: set[str] = set()
    begun: set[str] = set()
    done: set[str] = set()
    for life in "123":
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), life], stdout=subprocess.PIPE
        )
        with child:
            assert child.stdout is not None
            said = [child.stdout.readline().decode().strip() for _ in range(acknowledged)]
            child.kill()
            said += child.stdout.read().decode().splitlines()
        asked |= {line[1:] for line in said if line.startswith("?")}
        begun |= {line[1:] for line in said if line.startswith("i")}
        done |= {line[1:] for line in said if line.startswith("!")}
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "b" * 16), SpoolSettings(), lambda: 1)
    spool.seal()
    records = []
    for sealed in spool.folder.sealed():
        scan = spool.folder.read(sealed).scan
        assert scan is not None
        for item in scan.frames:
            if item.kind != INTENT:
                records += [
                    (item.sequence, line)
                    for part in item.parts
                    for line in bytes(part.data).decode().splitlines()
                ]
    spool.close()
    assert [sequence for sequence, _ in records] == list(range(1, len(records) + 1))
    names = [line.split()[1] for _, line in records]
    assert len(set(names)) == len(names), "each is recorded once"
    assert {line[5:] for _, line in records if line.startswith("done")} >= done
    assert asked >= set(names) >= begun
    assert spool.folder.damaged_pieces == 0
