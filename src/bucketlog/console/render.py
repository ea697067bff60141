"""Templates to answers: whole pages, parts of them for htmx, toasts, times and sizes in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bucketlog.console import keys, parts, record_table
from bucketlog.console.assets import Assets
from bucketlog.console.insights import drawing
from bucketlog.console.sessions import Toast

FOLDER = Path(__file__).parent / "templates"
THEMES = ("light", "dark")

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    name: str
    path: str
    icon: str


PLACES = (
    Place("Buckets", "/buckets", "bucket"),
    Place("Insights", "/insights", "chart"),
    Place("Accounts", "/accounts", "people"),
    Place("Health", "/health", "pulse"),
)


class Renderer:
    """The templates of this package."""

    def __init__(self, assets: Assets) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "size": size,
            "number": number,
            "plural": plural,
            "segment": segment,
            "ago": ago,
            "iso": iso,
            "clock": clock,
            "ms": drawing.milliseconds,
            "who": record_table.who,
            **keys.FILTERS,
        }
        self._environment.globals |= {
            "asset": assets.url,
            "icon": Icons(assets),
            "places": PLACES,
            "href": href,
        }
        # The macros of the interface, everywhere: an imported one is missing in an included part.
        interface = self._environment.get_template("parts/interface.html").module
        self._environment.globals |= {
            name: macro for name, macro in vars(interface).items() if not name.startswith("_")
        }

    def template(self, name: str) -> jinja2.Template:
        """A template by its path in `templates`."""
        return self._environment.get_template(name)


class Icons:
    """`{{ icon("bucket") }}`: one of `static/icons.svg`, hidden from screen readers."""

    def __init__(self, assets: Assets) -> None:
        self._sprite = assets.url("icons.svg")

    def __call__(self, name: str, kind: str = "") -> Markup:
        return Markup('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
            kind, self._sprite, name
        )


def page(
    request: Request,
    template: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """A whole page. Toasts that wait for one are on it."""
    session = getattr(request.state, "session", None)
    toasts: list[Toast] = []
    if session is not None:
        toasts, session.toasts = session.toasts, []
    text = (
        parts.of(request)
        .renderer.template(template)
        .render(_context(request) | {"toasts": toasts} | context)
    )
    return HTMLResponse(text, status, headers)


def fragment(
    request: Request,
    template: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """A part of a page, for htmx: a template of its own, which the page includes. Toasts that
    wait go along out of band.
    """
    found = parts.of(request).renderer.template(template)
    text = found.render(_context(request) | context)
    return HTMLResponse(text + _waiting_toasts(request), status, headers)


def toast(
    request: Request, kind: str, text: str, detail: str | None = None, *, status: int = 200
) -> HTMLResponse:
    """A toast and nothing else, whatever part of the page was asked for."""
    markup = _toasts(request, [Toast(kind, text, detail)])
    return HTMLResponse(markup, status, {"HX-Reswap": "none"})


def redirect(request: Request, path: str, said: Toast | None = None) -> Response:
    """To another page, which shows the toast."""
    if said is not None:
        parts.session(request).toasts.append(said)
    if is_fragment(request):
        return Response(status_code=200, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    headers = request.headers
    return "hx-request" in headers and "hx-history-restore-request" not in headers


def theme(request: Request) -> str:
    """ "light", "dark", or "" for what the system has."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


def _context(request: Request) -> dict[str, Any]:
    session = getattr(request.state, "session", None)
    return {
        "request": request,
        "session": session,
        "identity": None if session is None else session.identity,
        "csrf": "" if session is None else session.csrf,
        "theme": theme(request),
        "here": request.url.path,
    }


def _waiting_toasts(request: Request) -> str:
    session = getattr(request.state, "session", None)
    if session is None or not session.toasts:
        return ""
    waiting, session.toasts = session.toasts, []
    return _toasts(request, waiting)


def _toasts(request: Request, toasts: list[Toast]) -> str:
    template = parts.of(request).renderer.template("parts/toasts.html")
    return template.render(_context(request) | {"toasts": toasts, "out_of_band": True})


# ── filters ─────────────────────────────────────────────────────────────────────────────────────


def href(path: str, /, **query: object) -> str:
    """An address with a query; what is None or "" is left out."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def segment(text: str) -> str:
    """A bucket's name or a key, as a part of a path."""
    return quote(text, safe="/")


def size(count: float) -> str:
    """Bytes for people, in decimal units: "1.4 MB"."""
    value = float(count)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    digits = 0 if unit == "B" or value >= 99.5 else 1
    return f"{value:.{digits}f} {unit}"


def number(count: float) -> str:
    """With thousands apart: "12,345"."""
    return f"{count:,.0f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """ "1 object", "2 objects"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def moment(when: datetime | int) -> datetime:
    """Of a time as boto3 gives it, or of nanoseconds."""
    if isinstance(when, int):
        return datetime.fromtimestamp(when / 1e9, UTC)
    return when.astimezone(UTC)


def iso(when: datetime | int) -> str:
    """For `<time datetime>`."""
    return moment(when).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(when: datetime | int) -> str:
    """ "22 Nov 2026, 19:40:14 UTC"."""
    return moment(when).strftime("%-d %b %Y, %H:%M:%S UTC")


def ago(when: datetime | int) -> str:
    """ "just now", "5 min ago", "3 days ago"; a date when it is long ago."""
    seconds = (datetime.now(UTC) - moment(when)).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h ago"
    if seconds < 30 * 86_400:
        return f"{seconds / 86_400:.0f} days ago"
    return moment(when).strftime("%-d %b %Y")
