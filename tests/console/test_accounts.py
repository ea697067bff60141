"""Accounts: who sees what, what can be added and removed, and that a secret is shown once."""

from __future__ import annotations

import configparser
import html
import logging
import re
from urllib.parse import unquote

import pytest
from tests.support.console import Console

from bucketlog.console import signers
from bucketlog.s3.model import Credential, Owner

ROOT_KEY = "AKIATESTROOT00000001"


@pytest.fixture
def operator(console: Console) -> Console:
    """Logged in as the root of the root account."""
    return console.log_in()


def account_of(console: Console, name: str = "root") -> str:
    return next(
        each.owner.account_id for each in console.accounts.accounts() if each.owner.name == name
    )


def made_at(answer: object) -> str:
    path: str = answer.headers["hx-redirect"]  # type: ignore[attr-defined]
    assert path.startswith("/accounts/made/")
    return path.removeprefix("/accounts/made/")


def test_the_operator_sees_everybody_and_no_secret(operator: Console) -> None:
    lab = operator.accounts.add_account_with_key("lab")
    dora = operator.accounts.add_user_with_key("dora", "lab")
    operator.accounts.add_user("keyless")
    text = operator.get("/accounts").text
    assert "2 accounts, 2 users, 3 access keys" in text
    for shown in ("lab", "dora", lab.access_key, dora.access_key, lab.account.canonical_id):
        assert shown in text
    assert "No key" in text
    assert text.count("This login") == 1
    assert "last used isn" in text
    for credential in operator.accounts.credentials().values():
        assert credential.secret_key not in html.unescape(text)


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("DORA", "user/dora", "user/bob"),
        ("lab", "user/dora", "user/bob"),
        ("root", "user/bob", "user/dora"),
        ("nobody", "Nobody has", "user/"),
    ],
)
def test_it_is_searched_by_name_id_and_key(
    operator: Console, query: str, shown: str, hidden: str
) -> None:
    operator.accounts.add_account("lab")
    operator.accounts.add_user_with_key("dora", "lab")
    operator.accounts.add_user_with_key("bob")
    text = operator.get(f"/accounts?q={query}", htmx=True).text
    assert "<html" not in text
    assert shown in text
    assert hidden not in text


def test_a_key_is_found_by_its_id(operator: Console) -> None:
    bob = operator.accounts.add_user_with_key("bob")
    text = operator.get(f"/accounts?q={bob.access_key[:9].lower()}", htmx=True).text
    assert "user/bob" in text


def test_an_account_is_added_and_its_secret_shown_once(
    operator: Console, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    key = made_at(operator.post("/accounts", htmx=True, name="lab & co"))
    made = operator.accounts.find_key(key)
    assert made is not None
    assert (made.account.name, made.user_arn) == ("lab & co", None)
    answer = operator.get(f"/accounts/made/{key}")
    assert answer.headers["cache-control"] == "no-store"
    assert made.secret_key in html.unescape(answer.text)
    for _ in range(2):
        answer = operator.get(f"/accounts/made/{key}")
        assert answer.status_code == 410
        assert "shown before" in answer.text
        assert made.secret_key not in html.unescape(answer.text)
    assert f"{ROOT_KEY} added account lab & co, access key {key}" in caplog.text
    assert made.secret_key not in caplog.text


def test_a_user_is_added_to_the_account_that_was_chosen(operator: Console) -> None:
    operator.accounts.add_account("lab")
    lab = account_of(operator, "lab")
    assert f'value="{lab}"' in operator.get(f"/accounts/users?account={lab}", htmx=True).text
    key = made_at(operator.post("/accounts/users", htmx=True, account=lab, name="dora"))
    made = operator.accounts.find_key(key)
    assert made is not None
    assert made.user_arn == f"arn:aws:iam::{lab}:user/dora"


def test_a_key_is_added_to_a_root_and_to_a_user(operator: Console) -> None:
    root = account_of(operator)
    operator.accounts.add_user("bob")
    for user, arn in (("", None), ("bob", f"arn:aws:iam::{root}:user/bob")):
        answer = operator.post("/accounts/keys", account=root, user=user)
        assert answer.status_code == 303
        key = answer.headers["location"].removeprefix("/accounts/made/")
        made = operator.accounts.find_key(key)
        assert made is not None
        assert made.user_arn == arn
        assert operator.get(f"/accounts/made/{key}").status_code == 200


@pytest.mark.parametrize("name", ["", "bob", "no blanks", '<"b>'])
def test_what_is_wrong_with_a_name_is_told_beside_it(operator: Console, name: str) -> None:
    operator.accounts.add_user("bob")
    root = account_of(operator)
    answer = operator.post("/accounts/users", htmx=True, account=root, name=name)
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{html.escape(name).replace("&quot;", "&#34;")}"' in answer.text
    assert "bucketlog user" not in answer.text
    assert len(operator.accounts.users()) == 1


def test_a_name_that_is_taken_is_told_for_accounts_too(operator: Console) -> None:
    answer = operator.post("/accounts", htmx=True, name="root")
    assert "already an account with name root" in answer.text
    assert "bucketlog account" not in answer.text


def test_the_profile_is_one_for_the_aws_tools(operator: Console) -> None:
    operator.accounts.add_account("lab")
    account = account_of(operator, "lab")
    key = made_at(operator.post("/accounts/users", htmx=True, account=account, name="d+o@ra"))
    text = operator.get(f"/accounts/made/{key}").text
    link = re.search(
        r'download="d-o-ra.credentials" href="data:text/plain;charset=utf-8,([^"]*)"', text
    )
    assert link is not None
    profile = configparser.ConfigParser(interpolation=None)
    profile.read_string(unquote(link[1]))
    made = operator.accounts.find_key(key)
    assert made is not None
    assert dict(profile["d-o-ra"]) == {
        "aws_access_key_id": key,
        "aws_secret_access_key": made.secret_key,
        "region": "us-east-1",
        "endpoint_url": "http://127.0.0.1:1",
    }


def test_a_key_is_removed(operator: Console, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bob = operator.accounts.add_user_with_key("bob")
    asked = operator.get(f"/accounts/keys/remove?key={bob.access_key}", htmx=True).text
    assert "<b>bob</b>" in asked
    assert "log out" not in asked
    answer = operator.post("/accounts/keys/remove", htmx=True, key=bob.access_key)
    assert answer.headers["hx-redirect"] == "/accounts"
    assert operator.accounts.find_key(bob.access_key) is None
    assert f"{bob.access_key} was removed" in operator.get("/accounts").text
    assert f"removed key {bob.access_key} of {bob.user_arn}" in caplog.text
    again = operator.post("/accounts/keys/remove", htmx=True, key=bob.access_key)
    assert "There is no access key" in again.text


def test_the_last_key_of_the_operator_stays(operator: Console) -> None:
    operator.accounts.add_user_with_key("bob")  # may not open the page
    assert "last key" in operator.get(f"/accounts/keys/remove?key={ROOT_KEY}", htmx=True).text
    answer = operator.post("/accounts/keys/remove", htmx=True, key=ROOT_KEY)
    assert answer.status_code == 409
    assert operator.accounts.find_key(ROOT_KEY) is not None


@pytest.mark.parametrize("htmx", [True, False])
def test_removing_ones_own_key_is_warned_of_and_logs_out(operator: Console, htmx: bool) -> None:
    operator.accounts.add_key()
    asked = operator.get(f"/accounts/keys/remove?key={ROOT_KEY}", htmx=True).text
    assert "You are logged in with this key" in asked
    assert "Remove it and log out" in asked
    answer = operator.post("/accounts/keys/remove", htmx=htmx, key=ROOT_KEY)
    went = answer.headers["hx-redirect" if htmx else "location"]
    assert went == "/login?ended=1"
    assert operator.get("/accounts").headers["location"] == "/login?next=/accounts"


def test_a_user_is_removed_with_all_keys_but_only_by_name(operator: Console) -> None:
    root = account_of(operator)
    keys = [operator.accounts.add_user_with_key("bob"), operator.accounts.add_key(None, "bob")]
    asked = operator.get(f"/accounts/users/remove?account={root}&user=bob", htmx=True).text
    assert 'data-confirms="bob"' in asked
    assert all(key.access_key in asked for key in keys)
    for typed in ("", "Bob", "bobby"):
        answer = operator.post(
            "/accounts/users/remove", htmx=True, account=root, user="bob", confirmed=typed
        )
        assert answer.status_code == 400
    assert len(operator.accounts.users()) == 1
    answer = operator.post(
        "/accounts/users/remove", htmx=True, account=root, user="bob", confirmed="bob"
    )
    assert answer.headers["hx-redirect"] == "/accounts"
    assert operator.accounts.users() == []
    assert all(operator.accounts.find_key(key.access_key) is None for key in keys)


def test_who_is_not_there_is_told_with_a_way_out(operator: Console) -> None:
    for path in (
        "/accounts/users?account=000000000000",
        "/accounts/users/remove?account=000000000000&user=x",
        f"/accounts/users/remove?account={account_of(operator)}&user=x",
        "/accounts/keys/remove?key=AKIANOBODY",
    ):
        answer = operator.get(path, htmx=True)
        assert answer.status_code == 409
        assert "There is no" in answer.text or "has no user" in answer.text


# ── who may ─────────────────────────────────────────────────────────────────────────────────────

SEEN = (
    "/accounts/users?account=1",
    "/accounts/users/remove?account=1&user=x",
    "/accounts/keys/remove?key=x",
    "/accounts/made/x",
)
DONE = (
    "/accounts",
    "/accounts/users",
    "/accounts/users/remove",
    "/accounts/keys",
    "/accounts/keys/remove",
)


def person(console: Console, who: str) -> Credential:
    """A user of the root account, the root of another account, a user of that."""
    if who == "user of root":
        return console.accounts.add_user_with_key("ann")
    lab = console.accounts.add_account_with_key("lab")
    return lab if who == "another root" else console.accounts.add_user_with_key("ann", "lab")


def enter(console: Console, who: Credential) -> None:
    console.post("/login", access_key=who.access_key, secret_key=who.secret_key)
    name = console.client.cookies.get("bucketlog-9001")
    console.session = console.parts.sessions.find(name)
    assert console.session is not None


@pytest.mark.parametrize("who", ["user of root", "another root", "user of another"])
def test_others_see_themselves_and_their_own_keys_alone(console: Console, who: str) -> None:
    me = person(console, who)
    second = console.accounts.add_key(me.account.account_id, signers.user_of(me))
    others = [
        console.accounts.add_user_with_key("zoe", me.account.account_id),
        console.accounts.add_account_with_key("elsewhere"),
    ]
    enter(console, me)
    text = console.get("/accounts").text
    assert me.access_key in text
    assert second.access_key in text
    assert me.account.canonical_id in text
    assert me.secret_key not in html.unescape(text)
    for other in (*others, console.root):
        assert other is not None
        assert other.access_key not in text
    assert "zoe" not in text
    assert "elsewhere" not in text
    assert "<form" not in text.partition('id="main"')[2]


@pytest.mark.parametrize("who", ["user of root", "another root", "user of another"])
def test_others_change_nothing(console: Console, who: str) -> None:
    me = person(console, who)
    enter(console, me)
    before = (console.accounts.accounts(), console.accounts.users(), console.accounts.keys())
    fields = {
        "name": "new",
        "account": me.account.account_id,
        "user": signers.user_of(me) or "",
        "confirmed": signers.user_of(me) or "",
        "key": me.access_key,
    }
    for path in SEEN:
        assert console.get(path).status_code == 403
    for path in DONE:
        answer = console.post(path, **fields)
        assert answer.status_code == 403
        assert "for the operator" in answer.text
    after = (console.accounts.accounts(), console.accounts.users(), console.accounts.keys())
    assert before == after


@pytest.mark.parametrize("path", ["/accounts", *SEEN])
def test_a_login_ends_where_its_key_was_removed_elsewhere(operator: Console, path: str) -> None:
    operator.accounts.add_key()
    operator.accounts.remove_key(ROOT_KEY)
    assert operator.get(path).headers["location"] == "/login?ended=1"
    assert operator.get("/accounts").headers["location"].startswith("/login?next=")


def test_nothing_is_changed_by_a_key_that_was_removed_or_changed_hands(operator: Console) -> None:
    operator.accounts.add_key()
    operator.accounts.remove_key(ROOT_KEY)
    operator.accounts.add_user_with_key("bob", access_key=ROOT_KEY, secret_key="root/secret")
    assert operator.post("/accounts", htmx=True, name="mine").status_code == 403
    operator.accounts.remove_key(ROOT_KEY)
    operator.accounts.add_key(access_key=ROOT_KEY, secret_key="another/secret")
    answer = operator.post("/accounts", htmx=True, name="mine")
    assert answer.headers["hx-redirect"] == "/login?ended=1"
    assert [each.owner.name for each in operator.accounts.accounts()] == ["root"]


def test_a_secret_is_shown_to_the_session_that_made_it_alone(operator: Console) -> None:
    key = made_at(operator.post("/accounts", htmx=True, name="lab"))
    operator.log_in()
    assert operator.get(f"/accounts/made/{key}").status_code == 410


def test_a_profile_is_called_what_it_speaks_for() -> None:
    owner = Owner("123456789012", "c" * 64, "lab & co")
    root = Credential("AKIA", "s", owner, None)
    user = Credential("AKIA", "s", owner, "arn:aws:iam::123456789012:user/d,o")
    assert signers.profile_name(root) == "lab---co"
    assert (signers.user_of(user), signers.profile_name(user)) == ("d,o", "d-o")
