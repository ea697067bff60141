"""A spool's folder: ownership, held records, damage kept aside, and odd left-overs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.faulty_disk import FaultyDisk

from bucketlog.disk import FileMissing, RealDisk
from bucketlog.problems import SpoolProblem
from bucketlog.spool.folder import Folder, Held, claim, leftovers, write_whole
from bucketlog.spool.frame import Frame, Part
from bucketlog.spool.segment import SpoolFull
from bucketlog.spool.writer import Spool, SpoolSettings

ROUTE = "ab" * 8
HELD = Held(ROUTE, 3, 1_700_000_000, "0123456789ABCDEF", 2)
PARTS = [(7, Part(b"t", 1, b"x\n")), (9, Part(b"t", 1, b"y\n"))]


def folder_in(root: Path, disk: RealDisk | None = None) -> Folder:
    folder = claim(disk or RealDisk(), root, lambda: "c" * 16)
    folder.load()
    return folder


def test_held_records_keep_their_numbers(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    folder.hold(HELD, PARTS)
    assert list(folder.held(ROUTE)) == [HELD]
    assert folder.read_held(HELD) == [Frame(1, sequence, 0, (part,)) for sequence, part in PARTS]
    assert folder.held_size(HELD) == folder.held_bytes == folder.stored_bytes
    folder.close()


def test_holding_the_same_again_counts_it_once(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    folder.hold(HELD, PARTS)
    folder.hold(HELD, PARTS)
    totals = folder.held_totals()[ROUTE]
    assert (totals.files, totals.records, totals.size) == (1, 2, folder.held_size(HELD))
    folder.close()


def test_what_is_held_is_found_again_and_released_without_a_trace(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    folder.hold(HELD, PARTS)
    (folder.path / "held" / ROUTE / "half.held.tmp").write_bytes(b"half")
    (folder.path / "half.tmp").write_bytes(b"half")
    (folder.path / "held" / "not a route").mkdir()
    folder.close()
    folder = folder_in(tmp_path)
    assert folder.held_totals()[ROUTE].records == 2
    assert folder.held_totals()[ROUTE].oldest_at == HELD.sealed_at
    assert not list(tmp_path.rglob("*.tmp"))
    folder.release(HELD)
    assert folder.held_totals() == {}
    assert folder.is_drained()
    assert not (folder.path / "held" / ROUTE).exists()
    folder.close()


def test_a_folder_never_used_is_not_claimed_again(tmp_path: Path) -> None:
    (tmp_path / ("d" * 16)).mkdir()
    (tmp_path / "something else").mkdir()
    folder = claim(RealDisk(), tmp_path, lambda: "e" * 16)
    assert folder.spool_id == "e" * 16
    assert list(leftovers(RealDisk(), tmp_path)) == []
    folder.close()


def test_an_id_must_be_sixteen_hex_digits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not 16 hex digits"):
        claim(RealDisk(), tmp_path, lambda: "../../etc")


def test_an_id_in_use_is_a_problem(tmp_path: Path) -> None:
    folder = claim(RealDisk(), tmp_path, lambda: "c" * 16)
    with pytest.raises(SpoolProblem, match="in use by another process"):
        claim(RealDisk(), tmp_path, lambda: "c" * 16)
    folder.close()


class _Vanishing(RealDisk):
    """A disk on which another process removes a spool at the moment it is to be locked."""

    def __init__(self, missing: bool) -> None:
        self.missing = missing

    def lock(self, path: Path) -> int | None:
        for name in path.parent.glob("0*"):
            name.unlink()
        if self.missing:
            raise FileMissing("gone")
        return super().lock(path)


@pytest.mark.parametrize("missing", [True, False])
def test_a_spool_that_its_owner_removes_this_moment_is_passed_over(
    tmp_path: Path, missing: bool
) -> None:
    Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1).close()
    assert list(leftovers(_Vanishing(missing), tmp_path)) == []


def test_a_spool_whose_header_is_lost_goes_on_far_behind_all_numbers_used(
    tmp_path: Path,
) -> None:
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    spool.append([Part(b"t", 1, b"x")])
    spool.close()
    (path,) = tmp_path.rglob("*.open")
    path.write_bytes(b"?" + path.read_bytes()[1:])
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    assert spool.append([Part(b"t", 1, b"x")]) > 2**32
    assert spool.counters().damaged_pieces == 1
    assert list(tmp_path.rglob("damaged/*.bytes"))
    spool.close()


def test_a_spool_left_with_sealed_segments_alone_goes_on_behind_them(tmp_path: Path) -> None:
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    spool.append([Part(b"t", 1, b"x")])
    spool.seal()
    spool.close()
    (path,) = tmp_path.rglob("*.open")
    path.unlink()
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    assert spool.append([Part(b"t", 1, b"x")]) > 2**32
    assert [sealed.number for sealed in spool.folder.sealed()] == [1]
    spool.close()


def test_a_segment_number_of_which_only_held_records_are_left_is_not_used_again(
    tmp_path: Path,
) -> None:
    folder = folder_in(tmp_path)
    folder.hold(Held(ROUTE, 500, 1, "0123456789ABCDEF", 2), PARTS)
    folder.close()
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    assert [path.name for path in tmp_path.rglob("*.open")] == ["00000501.open"]
    spool.close()


def test_damaged_bytes_outlive_the_spool_they_were_in(tmp_path: Path) -> None:
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    spool.append([Part(b"t", 1, b"damaged")])
    spool.seal()
    (path,) = tmp_path.rglob("*.sealed")
    path.write_bytes(path.read_bytes().replace(b"damaged", b"DAMAGED"))
    (sealed,) = spool.folder.sealed()
    spool.folder.read(sealed)
    spool.folder.retire(sealed)
    spool.folder.retire(sealed)
    spool.remove()
    (kept,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert b"DAMAGED" in kept.read_bytes()
    assert list(leftovers(RealDisk(), tmp_path)) == []


def test_a_torn_tail_left_by_a_dead_process_is_cut_and_counted(tmp_path: Path) -> None:
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    spool.append([Part(b"t", 1, b"x")])
    spool.close()
    (path,) = tmp_path.rglob("*.open")
    path.write_bytes(path.read_bytes() + b"\xf1rec half a frame")
    spool = Spool.open(claim(RealDisk(), tmp_path, lambda: "c" * 16), SpoolSettings(), lambda: 1)
    counters = spool.counters()
    assert (counters.torn_bytes, counters.damaged_pieces) == (17, 0)
    (sealed,) = spool.folder.sealed()
    assert b"half" not in spool.folder.read(sealed).data
    spool.close()


def test_a_file_is_written_whole_in_spite_of_short_writes(tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path / "shadow", failures={3: 2})
    write_whole(disk, tmp_path / "file", b"abcdef")
    assert (tmp_path / "file").read_bytes() == b"abcdef"
    disk.fail_at(3, 0)
    with pytest.raises(SpoolFull):
        write_whole(disk, tmp_path / "file", b"xyz")
    assert (tmp_path / "file").read_bytes() == b"abcdef"
    disk.die()
