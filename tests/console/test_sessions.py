"""Logins: how long they last, how many there are, how often one may fail."""

from __future__ import annotations

from bucketlog.console import sessions
from bucketlog.console.sessions import Identity, Patience, Sessions

WHO = Identity("AKIA1", "secret")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_is_found_by_its_name_only() -> None:
    open_ = Sessions(60)
    first, second = open_.begin(WHO), open_.begin(WHO)
    assert len({first.id, second.id, first.csrf, second.csrf}) == 4
    assert open_.find(first.id) is first
    assert open_.find(None) is open_.find("") is open_.find(first.csrf) is None
    open_.end(first)
    open_.end(first)
    assert open_.find(first.id) is None
    assert open_.find(second.id) is second


def test_a_session_ends_when_it_is_idle_and_at_last_in_any_case() -> None:
    clock = Clock()
    open_ = Sessions(60, clock)
    idle, busy = open_.begin(WHO), open_.begin(WHO)
    clock.now += 59
    assert open_.find(busy.id) is busy
    clock.now += 2
    assert open_.find(idle.id) is None
    while clock.now < 1000 + sessions.LASTS_S:
        assert open_.find(busy.id) is busy
        clock.now += 50
    assert open_.find(busy.id) is None


def test_what_asks_by_itself_keeps_no_session_alive() -> None:
    clock = Clock()
    open_ = Sessions(60, clock)
    left = open_.begin(WHO)
    for _ in range(5):
        clock.now += 11
        assert open_.find(left.id, is_used=False) is left
    clock.now += 11
    assert open_.find(left.id, is_used=False) is None


def test_the_one_longest_unused_makes_room() -> None:
    open_ = Sessions(60)
    first = open_.begin(WHO)
    second = open_.begin(WHO)
    assert open_.find(first.id) is first
    for _ in range(sessions.AT_MOST - 1):
        open_.begin(WHO)
    assert open_.find(second.id) is None
    assert open_.find(first.id) is first


def test_ten_failures_a_minute_from_one_address_are_enough() -> None:
    clock = Clock()
    patience = Patience(clock)
    for _ in range(10):
        assert patience.wait_s("10.0.0.1") == 0
        patience.failed("10.0.0.1")
        clock.now += 1
    assert patience.wait_s("10.0.0.1") == 50
    assert patience.wait_s("10.0.0.2") == 0
    clock.now += 50
    assert patience.wait_s("10.0.0.1") == 0
    patience.failed("10.0.0.1")
    assert patience.wait_s("10.0.0.1") == 1


def test_addresses_without_number_are_forgotten_not_kept() -> None:
    patience = Patience(Clock())
    for number in range(10_100):
        patience.failed(str(number))
    assert len(patience._failures) == 10_000


def test_people_are_called_by_what_is_known_of_them() -> None:
    assert WHO.name == "AKIA1"
    assert Identity("AKIA1", "s", account_name="root").name == "root"
    assert Identity("AKIA1", "s", account_name="root", user_name="ann").name == "ann"
