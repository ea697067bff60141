"""Logging in: by link, by key, by password; and who one is then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.console import PASSWORD, TOKEN, Console, refusal

from bucketlog.console import security


@pytest.fixture
def exposed(tmp_path: Path) -> Iterator[Console]:
    """One that others on the network reach: no link, but a password."""
    with Console(tmp_path / "data", host="0.0.0.0", token=None, password=PASSWORD) as console:
        yield console


def session_of(console: Console) -> object:
    return console.parts.sessions.find(
        console.client.cookies.get(security.cookie_name(console.config))
    )


def test_the_link_logs_in_as_root_again_and_again(console: Console) -> None:
    for _ in range(2):
        answer = console.post("/login", token=TOKEN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/buckets")
        identity = session_of(console).identity  # type: ignore[attr-defined]
        assert (identity.access_key, identity.secret_key) == ("AKIATESTROOT00000001", "root/secret")
        assert identity.is_operator
    assert TOKEN not in console.get("/login").text


def test_the_cookie_is_for_this_site_and_no_script(console: Console) -> None:
    cookie = console.post("/login", token=TOKEN).headers["set-cookie"]
    assert cookie.startswith("bucketlog-9001=")
    for part in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    assert "Max-Age" not in cookie


def test_over_https_the_cookie_stays_there(console: Console) -> None:
    console.client.base_url = "https://127.0.0.1:9001"  # type: ignore[assignment]
    cookie = console.client.post(
        "/login", data={"token": TOKEN}, headers={"Origin": "https://127.0.0.1:9001"}
    ).headers["set-cookie"]
    assert "Secure" in cookie


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "é"])
def test_a_wrong_token_does_not(console: Console, token: str) -> None:
    answer = console.post("/login", token=token)
    assert answer.status_code == 403
    assert "earlier start" in answer.text
    assert session_of(console) is None


def test_where_others_reach_the_console_there_is_no_link(exposed: Console) -> None:
    assert exposed.post("/login", token="").status_code == 403
    assert exposed.post("/login", token="None").status_code == 403
    shown = exposed.get("/login").text
    assert "HTTPS" in shown
    assert "printed" not in shown


def test_the_password_logs_in_as_root(exposed: Console) -> None:
    assert "Password" in exposed.get("/login").text
    assert exposed.post("/login", password="no").status_code == 403
    assert exposed.post("/login", password=PASSWORD).status_code == 303
    assert session_of(exposed).identity.is_operator  # type: ignore[attr-defined]


def test_without_a_password_none_is_right(console: Console) -> None:
    assert "Password of" not in console.get("/login").text
    assert console.post("/login", password="None").status_code == 403


def test_a_key_logs_in_as_its_user(console: Console) -> None:
    made = console.accounts.add_user_with_key("ann")
    answer = console.post(
        "/login", access_key=made.access_key, secret_key=made.secret_key, next="/health?x=1"
    )
    assert answer.headers["location"] == "/health?x=1"
    identity = session_of(console).identity  # type: ignore[attr-defined]
    assert (identity.name, identity.account_name) == ("ann", "root")
    assert not identity.is_operator


def test_roots_own_key_is_the_operators_and_another_accounts_is_not(console: Console) -> None:
    console.post("/login", access_key="AKIATESTROOT00000001", secret_key="root/secret")
    assert session_of(console).identity.is_operator  # type: ignore[attr-defined]
    made = console.accounts.add_account_with_key("other")
    console.post("/login", access_key=made.access_key, secret_key=made.secret_key)
    assert not session_of(console).identity.is_operator  # type: ignore[attr-defined]


def test_a_key_that_may_do_nothing_logs_in_all_the_same(console: Console) -> None:
    console.s3.script["list_buckets"] = refusal("AccessDenied")
    assert console.post("/login", access_key="a", secret_key="b").status_code == 303


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("InvalidAccessKeyId", "There is no such access key"),
        ("SignatureDoesNotMatch", "The secret is wrong"),
        ("RequestTimeTooSkewed", "The clocks differ"),
    ],
)
def test_what_s3_says_of_a_wrong_key_is_told_in_words(
    console: Console, code: str, told: str
) -> None:
    console.s3.script["list_buckets"] = refusal(code)
    answer = console.post("/login", access_key='<b>"x', secret_key="the-secret", next="/health")
    assert answer.status_code == 403
    assert told in answer.text
    assert 'value="&lt;b&gt;&#34;x"' in answer.text
    assert "the-secret" not in answer.text
    assert 'value="/health"' in answer.text
    assert session_of(console) is None


def test_half_a_key_is_none(console: Console) -> None:
    assert console.post("/login", access_key="AKIA").status_code == 403
    assert console.post("/login").status_code == 403


def test_who_guesses_must_wait_and_the_right_secret_too(console: Console) -> None:
    for _ in range(10):
        assert console.post("/login", token="wrong").status_code == 403
    answer = console.post("/login", token=TOKEN)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil",
        "/login",
        "/logout?x",
        "/x\r\nSet-Cookie: a=b",
        "",
    ],
)
def test_the_way_on_leads_nowhere_else(console: Console, wanted: str) -> None:
    answer = console.post("/login", token=TOKEN, next=wanted)
    assert answer.headers["location"] == "/buckets"


def test_logging_out_ends_the_session_not_the_cookie_alone(console: Console) -> None:
    console.log_in()
    assert console.session is not None
    assert console.post("/logout").headers["location"] == "/login"
    console.client.cookies.set(security.cookie_name(console.config), console.session.id)
    assert console.get("/buckets").headers["location"] == "/login?next=/buckets"


def test_a_new_login_ends_the_old_one(console: Console) -> None:
    console.log_in()
    assert console.session is not None
    console.post("/login", token=TOKEN)
    assert console.parts.sessions.find(console.session.id) is None


def test_who_is_logged_in_needs_no_form(console: Console) -> None:
    console.log_in()
    assert 'id="onward" href="/health"' in console.get("/login?next=/health").text
    assert console.get("/").headers["location"] == "/buckets"


def test_a_root_without_a_key_is_told_what_to_do(console: Console) -> None:
    console.accounts.remove_key("AKIATESTROOT00000001")
    answer = console.post("/login", token=TOKEN)
    assert answer.status_code == 409
    assert "bucketlog key add" in answer.text


def test_a_key_that_was_removed_meanwhile_logs_out(console: Console) -> None:
    console.log_in()
    assert console.session is not None
    console.s3.script["list_buckets"] = refusal("InvalidAccessKeyId")
    assert console.get("/buckets").headers["location"] == "/login?ended=1"
    assert "work any more" in console.get("/login?ended=1").text
    console.log_in()
    part = console.get("/buckets", htmx=True)
    assert part.headers["hx-redirect"] == "/login?ended=1"


@pytest.mark.parametrize(("wanted", "shown"), [("dark", "dark"), ("light", "light"), ("x", "")])
def test_the_theme_is_chosen_without_a_script_too(
    console: Console, wanted: str, shown: str
) -> None:
    console.log_in()
    console.client.cookies.set("theme", wanted)
    text = console.get("/buckets").text
    assert (f'data-theme="{shown}"' in text) is bool(shown)
    assert ("data-theme=" in text) is bool(shown)
    answer = console.post("/theme", theme="")
    assert 'theme=""' in answer.headers["set-cookie"]
