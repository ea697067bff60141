"""What stands before every page, tried without a browser's help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route
from tests.support.console import HOST, ORIGIN, Console

from bucketlog.console import security
from bucketlog.console.config import Config

TEMPLATES = Path(security.__file__).parent / "templates"
STATIC = Path(security.__file__).parent / "static"


def paths(console: Console, method: str) -> list[str]:
    """Every path of the application that takes the method, with something in its gaps."""
    return [
        re.sub(r"\{[^}]+\}", "abc", route.path)
        for route in console.app.routes
        if isinstance(route, Route) and method in (route.methods or {"GET"})
    ]


def test_every_page_but_the_login_needs_one(console: Console) -> None:
    for path in paths(console, "GET"):
        answer = console.get(path)
        if path in security.MONITORING | security.PUBLIC or path.startswith("/static/"):
            assert answer.headers.get("location") != f"/login?next={path}"
        else:
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login"), path
    assert console.s3.asked == []


def test_nothing_is_changed_without_a_login(console: Console) -> None:
    for path in paths(console, "POST"):
        if path not in security.PUBLIC:
            assert console.post(path).status_code == 401, path
            assert console.post(path, htmx=True).headers["hx-redirect"].startswith("/login")
    assert console.s3.asked == []


def test_after_the_login_one_is_where_one_wanted_to_be(console: Console) -> None:
    assert console.get("/buckets/a?prefix=x%2Fy&z").headers["location"] == (
        "/login?next=/buckets/a%3Fprefix%3Dx%252Fy%26z"
    )
    part = console.get("/buckets?q=1", htmx=True, **{"HX-Current-URL": f"{ORIGIN}/health?x=1"})
    assert part.status_code == 401
    assert part.headers["hx-redirect"] == "/login?next=/health%3Fx%3D1"


@pytest.mark.parametrize("path", ["/login", "/buckets", "/nowhere", "/healthz", "/favicon.ico"])
def test_every_answer_carries_the_headers(console: Console, path: str) -> None:
    console.log_in()
    for answer in (console.get(path), console.get(path, Host="evil.example")):
        for name, value in security.HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["cache-control"] == "no-store"


def test_the_policy_lets_nothing_in_line_run() -> None:
    assert "unsafe" not in security.CSP
    assert "default-src 'none'" in security.CSP


def test_a_failure_of_our_own_is_a_page_with_the_headers_and_no_traceback(
    console: Console,
) -> None:
    console.log_in()
    console.s3.script["list_buckets"] = ZeroDivisionError("the secret inside")
    answer = console.get("/buckets")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == security.CSP
    assert "Incident" in answer.text
    assert "secret inside" not in answer.text


@pytest.mark.parametrize(
    ("bound", "names", "host", "is_right"),
    [
        ("127.0.0.1", (), "127.0.0.1:9001", True),
        ("127.0.0.1", (), "127.0.0.1", True),
        ("127.0.0.1", (), "localhost:9001", True),
        ("127.0.0.1", (), "LOCALHOST:9001", True),
        ("127.0.0.1", (), "[::1]:9001", True),
        ("127.0.0.1", (), "127.0.0.1.evil.example", False),
        ("127.0.0.1", (), "localhost.evil.example", False),
        ("127.0.0.1", (), "evil.example:9001", False),
        ("127.0.0.1", (), "10.0.0.1:9001", False),
        ("127.0.0.1", (), "", False),
        ("127.0.0.1", (), "[::1", False),
        ("127.0.0.1", ("logs.example.org",), "logs.example.org", True),
        ("127.0.0.1", ("logs.example.org",), "x.logs.example.org", False),
        ("10.0.0.1", (), "10.0.0.1:9001", True),
        ("10.0.0.1", (), "10.0.0.2:9001", False),
        ("0.0.0.0", (), "10.0.0.2:9001", True),
        ("0.0.0.0", (), "[fd00::1]:9001", True),
        ("0.0.0.0", (), "evil.example", False),
        ("::", (), "192.0.2.1", True),
    ],
)
def test_it_answers_to_its_own_names_only(
    bound: str, names: tuple[str, ...], host: str, is_right: bool
) -> None:
    config = Config(endpoint="", data=Path(), run=Path(), host=bound, names=names)
    assert security.is_own_name(config, host) is is_right


def test_a_page_elsewhere_that_took_our_address_gets_nothing(console: Console) -> None:
    console.log_in()
    answer = console.get("/buckets", Host="evil.example:9001")
    assert answer.status_code == 421
    assert "console.names" in answer.text
    assert console.s3.asked == []


GOOD = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://evil.example/{HOST}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": ORIGIN},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:9002"},
    ],
)
@pytest.mark.parametrize("path", ["/buckets", "/login", "/logout", "/theme"])
def test_no_other_site_can_send_a_form(
    console: Console, headers: dict[str, str], path: str
) -> None:
    console.log_in()
    assert console.session is not None
    token = {"X-CSRF-Token": console.session.csrf}
    answer = console.client.post(path, data={"name": "x-bucket"}, headers=token | headers)
    assert answer.status_code == 403
    assert console.s3.asked == []


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 403),
        ({"headers": {"X-CSRF-Token": "wrong"}}, 403),
        ({"headers": {"X-CSRF-Token": ""}}, 403),
        ({"headers": {"X-CSRF-Token": "wrong"}, "data": {"csrf_token": "right"}}, 403),
        ({"data": {"csrf_token": "wrong"}}, 403),
        ({"data": {"csrf_token": ""}}, 403),
        ({"data": {"csrf_token": "é"}}, 403),
        ({"data": {"csrf_token": "right"}}, 303),
        ({"headers": {"X-CSRF-Token": "right"}}, 303),
        ({"files": {"csrf_token": ("right", b"right")}}, 403),
        ({"content": b"csrf_token=right", "headers": {"Content-Type": "text/plain"}}, 403),
    ],
)
def test_a_change_needs_the_sessions_own_token(
    console: Console, given: dict[str, dict[str, str]], status: int
) -> None:
    console.log_in()
    assert console.session is not None
    right = console.session.csrf
    filled = {
        kind: {name: right if value == "right" else value for name, value in values.items()}
        if isinstance(values, dict)
        else values
        for kind, values in given.items()
    }
    headers = {**GOOD, **filled.pop("headers", {})}
    assert console.client.post("/logout", headers=headers, **filled).status_code == status  # type: ignore[arg-type]
    assert (console.parts.sessions.find(console.session.id) is None) is (status == 303)


def test_a_form_that_was_read_on_the_way_reaches_its_page_whole(console: Console) -> None:
    console.log_in()
    answer = console.post("/theme", theme="dark", next="/buckets?q=" + "x" * 5000)
    assert answer.headers["location"] == "/buckets?q=" + "x" * 5000
    assert "theme=dark" in answer.headers["set-cookie"]


def test_a_form_without_end_is_not_read_to_it(console: Console) -> None:
    console.log_in()
    assert console.post("/theme", theme="x" * (security.FORM_AT_MOST + 1)).status_code == 413


def test_templates_hold_no_script_style_or_handler_and_trust_nothing() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), path
        assert not re.search(r"(src|href|action)=\"(https?:)?//", text), path
        assert not re.search(r"hx-on|hx-vals='js|hx-vars", text), path


def test_every_form_that_changes_something_carries_the_token() -> None:
    for path in TEMPLATES.rglob("*.html"):
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", path.read_text(), re.S):
            is_login = 'action="/login"' in form
            assert is_login or "csrf_token" in form or "token(csrf)" in form, (path, form[:80])


def test_scripts_make_no_html_of_text() -> None:
    for path in (STATIC / "js").glob("*.js"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
