"""The database file: its mode, its transactions, its problems."""

import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from bucketlog.problems import StateProblem
from bucketlog.state.database import SCHEMA, Database, about, rules


def _put(database: Database, bucket: str) -> None:
    with database.change() as connection:
        connection.execute(rules.insert().values(bucket=bucket, target="{}", changed_at=1))


def _buckets(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(sa.select(rules.c.bucket)).scalars())


def _revision(database: Database) -> int:
    with database.read() as connection:
        return database.revision(connection)


def test_every_file_of_the_state_is_its_owners_alone(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "data")
    _put(database, "one")
    files = list((tmp_path / "data").iterdir())
    assert len(files) > 1  # the journal beside it holds secrets too
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    database.close()


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    database.close()
    database.path.chmod(0o644)
    Database.open(tmp_path).close()
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    first = Database.open(tmp_path)
    _put(first, "one")
    first.close()
    second = Database.open(tmp_path)
    assert _buckets(second) == ["one"]
    second.close()


def test_a_change_counts_the_revision_up_and_a_write_does_not(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    before = _revision(database)
    _put(database, "one")
    assert _revision(database) == before + 1
    with database.write() as connection:
        connection.execute(rules.delete())
    assert _revision(database) == before + 1
    database.close()


def test_a_change_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    before = _revision(database)
    with pytest.raises(ZeroDivisionError), database.change() as connection:  # noqa: PT012
        connection.execute(rules.insert().values(bucket="one", target="{}", changed_at=1))
        raise ZeroDivisionError
    assert _buckets(database) == []
    assert _revision(database) == before
    database.close()


def test_a_reader_sees_one_moment_and_waits_for_no_writer(tmp_path: Path) -> None:
    ours, theirs = Database.open(tmp_path), Database.open(tmp_path)
    with ours.read() as connection:
        assert connection.execute(sa.select(rules.c.bucket)).first() is None
        _put(theirs, "one")
        assert connection.execute(sa.select(rules.c.bucket)).first() is None
    assert _buckets(ours) == ["one"]
    ours.close()
    theirs.close()


def test_changes_from_many_threads_are_all_kept(tmp_path: Path) -> None:
    database = Database.open(tmp_path)

    def work(thread: int) -> None:
        for number in range(10):
            _put(database, f"{thread}-{number}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_buckets(database)) == 40
    assert _revision(database) == 40
    database.close()


def test_two_may_make_the_tables_at_once(tmp_path: Path) -> None:
    opened: list[Database] = []
    threads = [
        threading.Thread(target=lambda: opened.append(Database.open(tmp_path))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [_revision(database) for database in opened] == [0, 0, 0, 0]
    for database in opened:
        database.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    with database.write() as connection:
        connection.execute(about.update().values(schema=SCHEMA + 1))
    database.close()
    with pytest.raises(StateProblem, match="newer bucketlog"):
        Database.open(tmp_path)


def test_a_file_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("no database at all\n" * 100)
    with pytest.raises(StateProblem, match="file is not a database"):
        Database.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateProblem, match="can't be made: Not a directory"):
        Database.open(tmp_path / "file" / "data")
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StateProblem, match="can't be opened: Is a directory"):
        Database.open(tmp_path)
