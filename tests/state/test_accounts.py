"""Accounts, users and keys; the root account; what is in force when."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bucketlog.problems import StateProblem
from bucketlog.s3.model import Credential
from bucketlog.state.accounts import Accounts
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation

Opener = Callable[[], Accounts]


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[Opener]:
    """Opens the same state as another process would."""
    opened: list[tuple[Database, Generation]] = []

    def open_() -> Accounts:
        opened.append((Database.open(tmp_path), Generation.open(tmp_path)))
        return Accounts(*opened[-1], now=lambda: 1_000 + len(opened))

    yield open_
    for database, generation in opened:
        database.close()
        generation.close()


@pytest.fixture
def accounts(opener: Opener) -> Accounts:
    """A state in which the root account exists."""
    accounts = opener()
    accounts.ensure_root()
    return accounts


def _root(accounts: Accounts) -> Credential:
    (key,) = accounts.keys("root")
    found = accounts.find_key(key.access_key)
    assert found is not None
    return found


def test_an_account_has_the_ids_amazon_gives(accounts: Accounts) -> None:
    made = accounts.add_account("lab")
    assert re.fullmatch(r"[1-9][0-9]{11}", made.owner.account_id)
    assert re.fullmatch(r"[0-9a-f]{64}", made.owner.canonical_id)
    assert made.arn == f"arn:aws:iam::{made.owner.account_id}:root"
    assert not made.is_root
    assert made in accounts.accounts()
    assert accounts.account(made.owner.account_id) == made.owner
    assert accounts.owner(made.owner.canonical_id) == made.owner


def test_who_exists_may_be_named(accounts: Accounts) -> None:
    made = accounts.add_account("lab").owner
    arn = accounts.add_user("ann", "lab").arn  # a user without a key is one too
    assert accounts.name_of(made.canonical_id) == "lab"
    assert all(accounts.is_principal(name) for name in (made.account_id, made.canonical_id, arn))
    assert accounts.name_of("0" * 64) is None
    assert accounts.name_of(made.account_id) is None
    for name in ("999999999999", "0" * 64, arn + "e", arn.replace("user", "role"), ""):
        assert not accounts.is_principal(name)


def test_ids_of_an_account_may_be_given(accounts: Accounts) -> None:
    made = accounts.add_account("lab", account_id="012345678901", canonical_id="ab" * 32)
    assert (made.owner.account_id, made.owner.canonical_id) == ("012345678901", "ab" * 32)


def test_a_key_looks_like_amazons_and_speaks_for_its_user(accounts: Accounts) -> None:
    user = accounts.add_user("bob")
    made = accounts.add_key(user="bob")
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", made.access_key)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", made.secret_key)
    assert made.account == user.account
    assert made.user_arn == user.arn == f"arn:aws:iam::{user.account.account_id}:user/bob"
    assert accounts.find_key(made.access_key) == made
    assert accounts.credentials()[made.access_key] == made


def test_a_key_without_a_user_speaks_for_the_accounts_root(accounts: Accounts) -> None:
    lab = accounts.add_account("lab")
    made = accounts.add_key("lab")
    assert (made.account, made.user_arn) == (lab.owner, None)


def test_keys_may_be_given(accounts: Accounts) -> None:
    made = accounts.add_key(access_key="minioadmin", secret_key="minioadmin")
    assert (made.access_key, made.secret_key) == ("minioadmin", "minioadmin")


def test_an_account_is_named_by_its_name_or_its_id(accounts: Accounts) -> None:
    lab = accounts.add_account("lab")
    assert accounts.add_user("ann", "lab").account == lab.owner
    assert accounts.add_user("bob", lab.owner.account_id).account == lab.owner
    assert [user.name for user in accounts.users("lab")] == ["ann", "bob"]


def test_an_account_named_like_anothers_id_does_not_take_its_place(accounts: Accounts) -> None:
    lab = accounts.add_account("lab")
    accounts.add_account(lab.owner.account_id)
    assert accounts.add_user("ann", lab.owner.account_id).account == lab.owner


def test_two_accounts_may_have_users_of_the_same_name(accounts: Accounts) -> None:
    accounts.add_account("lab")
    ours, theirs = accounts.add_user("bob"), accounts.add_user("bob", "lab")
    assert ours.arn != theirs.arn
    assert [user.account.name for user in accounts.users()] == ["lab", "root"]
    accounts.add_key("lab", "bob")
    assert accounts.keys(None, "bob") == []


def test_lists_are_of_everything_or_of_one(accounts: Accounts) -> None:
    accounts.add_user("bob")
    root = _root(accounts)
    first, second = accounts.add_key(user="bob"), accounts.add_key(user="bob")
    by_bob = {key.access_key for key in accounts.keys(user="bob")}
    assert by_bob == {first.access_key, second.access_key}
    assert {key.access_key for key in accounts.keys("root")} == by_bob | {root.access_key}
    assert len(accounts.keys()) == 3
    everything = accounts.keys()
    assert {key.user_name for key in everything} == {None, "bob"}


def test_a_removed_key_is_unknown_at_once(accounts: Accounts) -> None:
    made = accounts.add_key()
    accounts.remove_key(made.access_key)
    assert accounts.find_key(made.access_key) is None


def test_a_removed_user_takes_the_keys_along(accounts: Accounts) -> None:
    accounts.add_user("bob")
    mine = accounts.add_key(user="bob")
    assert accounts.remove_user("BOB") == [mine.access_key]
    assert accounts.find_key(mine.access_key) is None
    assert accounts.users() == []
    assert accounts.add_user("bob").name == "bob"
    assert accounts.keys(user="bob") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.add_account("root"), "already an account with name root"),
        (lambda a: a.add_account("x" * 51), "can't be the name of an account"),
        (lambda a: a.add_account(" lab"), "can't be the name of an account"),
        (lambda a: a.add_account("lab", account_id="12"), "no account id"),
        (lambda a: a.add_account("lab", canonical_id="AB" * 32), "no canonical id"),
        (lambda a: a.add_user("bob smith"), "can't be the name of a user"),
        (lambda a: a.add_user("bob", "nowhere"), "There is no account nowhere"),
        (lambda a: a.users("nowhere"), "There is no account nowhere"),
        (lambda a: a.remove_user("bob"), "Account root has no user bob"),
        (lambda a: a.add_key(user="bob"), "Account root has no user bob"),
        (lambda a: a.keys(user="bob"), "Account root has no user bob"),
        (lambda a: a.add_key(access_key="a/b"), "'a/b' can't be an access key"),
        (lambda a: a.add_key(access_key="abc", secret_key="short"), "The secret of abc"),
        (lambda a: a.remove_key("AKIA"), "There is no access key AKIA"),
        (lambda a: a.ensure_root("AKIA", None), "Only one half of the root key"),
    ],
)
def test_what_cannot_be_done_is_a_problem_with_a_hint(
    accounts: Accounts, change: Callable[[Accounts], object], message: str
) -> None:
    before = (accounts.accounts(), accounts.users(), accounts.keys())
    with pytest.raises(StateProblem, match=re.escape(message)) as caught:
        change(accounts)
    assert caught.value.hint
    assert (accounts.accounts(), accounts.users(), accounts.keys()) == before


def test_what_is_taken_is_a_problem(accounts: Accounts) -> None:
    made = accounts.add_account("lab")
    accounts.add_user("Bob")
    key = accounts.add_key()
    for change, message in (
        (lambda: accounts.add_account("two", account_id=made.owner.account_id), "account id"),
        (lambda: accounts.add_account("two", canonical_id=made.owner.canonical_id), "canonical id"),
        (lambda: accounts.add_user("bOB"), "already has a user Bob"),
        (lambda: accounts.add_key("lab", access_key=key.access_key), "is taken"),
    ):
        with pytest.raises(StateProblem, match=message):
            change()


def test_without_a_root_account_one_must_be_named(opener: Opener) -> None:
    accounts = opener()
    with pytest.raises(StateProblem, match="no root account yet"):
        accounts.add_user("bob")
    accounts.add_account("lab")
    assert accounts.add_user("bob", "lab").name == "bob"


def test_the_first_start_makes_the_root_account_and_the_second_does_not(opener: Opener) -> None:
    made = opener().ensure_root()
    assert made is not None
    assert made.account.name == "root"
    assert made.user_arn is None
    again = opener()
    assert again.ensure_root() is None
    assert _root(again) == made
    (root,) = again.accounts()
    assert root.is_root


def test_the_root_key_may_be_given(opener: Opener) -> None:
    made = opener().ensure_root("AKIAROOT", "secret-of-root")
    assert made is not None
    assert (made.access_key, made.secret_key) == ("AKIAROOT", "secret-of-root")
    assert opener().ensure_root("AKIAROOT", "secret-of-root") is None


def test_another_root_key_is_added_and_a_new_secret_replaces_the_old(opener: Opener) -> None:
    accounts = opener()
    first = accounts.ensure_root()
    second = accounts.ensure_root("AKIAROOT", "secret-of-root")
    assert first is not None
    assert second is not None
    assert first.account == second.account
    assert set(accounts.credentials()) == {first.access_key, "AKIAROOT"}
    third = accounts.ensure_root("AKIAROOT", "a-better-secret")
    assert accounts.find_key("AKIAROOT") == third
    assert third is not None
    assert third.secret_key == "a-better-secret"


def test_the_root_key_cannot_take_over_a_users_key(accounts: Accounts) -> None:
    accounts.add_user("bob")
    accounts.add_key(user="bob", access_key="AKIABOB", secret_key="secret-of-bob")
    with pytest.raises(StateProblem, match="already belongs to somebody else"):
        accounts.ensure_root("AKIABOB", "secret-of-bob")


def test_a_change_by_another_process_is_in_force_at_once(opener: Opener) -> None:
    server, command = opener(), opener()
    server.ensure_root()
    assert server.find_key("AKIAMADE") is None
    made = command.add_key(access_key="AKIAMADE")
    assert server.find_key("AKIAMADE") == made
    command.remove_key("AKIAMADE")
    assert server.find_key("AKIAMADE") is None


def test_a_root_key_made_meanwhile_by_another_process_is_not_made_twice(opener: Opener) -> None:
    one, other = opener(), opener()
    made = one.ensure_root("AKIAROOT", "secret-of-root")
    assert made is not None
    assert other.ensure_root("AKIAROOT", "secret-of-root") is None
    assert len(other.keys()) == 1
