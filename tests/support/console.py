"""The console without a browser and without a server: Starlette's client, and a scripted S3."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from starlette.testclient import TestClient

from bucketlog.console import app, security
from bucketlog.console.config import Config
from bucketlog.console.sessions import Identity, Session
from bucketlog.state.accounts import Accounts
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation

HOST = "127.0.0.1:9001"
ORIGIN = f"http://{HOST}"
TOKEN = "the-token-of-the-link"
PASSWORD = "the configured password"
AT = datetime.datetime(2026, 11, 22, 19, 40, 14, tzinfo=datetime.UTC)

Answer = dict[str, Any] | Exception | Callable[..., dict[str, Any]]


def refusal(
    code: str, status: int = 403, message: str = "no", operation: str = "Op"
) -> ClientError:
    """What boto3 raises for an error answer of S3."""
    about = {"HTTPStatusCode": status, "RequestId": "REQ0123456789"}
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": about},  # type: ignore[typeddict-item]
        operation,
    )


class ScriptedS3:
    """A client that answers each operation as it was told to, and keeps what it was asked.

    `script["list_buckets"]` is an answer, an exception, or a function of the parameters; what has
    no script answers {}.
    """

    def __init__(self) -> None:
        self.script: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            self.asked.append((operation, parameters))
            answer = self.script.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer(**parameters) if callable(answer) else answer

        return call

    def close(self) -> None:
        """As boto3's clients have it."""


class Console:
    """A console over a data folder with a root account. Use it as a context manager."""

    def __init__(self, data: Path, **config: Any) -> None:
        data.mkdir(parents=True, exist_ok=True)
        (data / "run").mkdir(exist_ok=True)
        self.data = data
        self.generation = Generation.open(data)
        self.database = Database.open(data)
        self.accounts = Accounts(self.database, self.generation)
        self.root = self.accounts.ensure_root("AKIATESTROOT00000001", "root/secret")
        self.config = Config(
            **{
                "endpoint": "http://127.0.0.1:1",
                "data": data,
                "run": data / "run",
                "host": "127.0.0.1",
                "port": 9001,
                "token": TOKEN,
                "regions": ("us-east-1", "eu-central-1"),
                **config,
            }
        )
        self.s3 = ScriptedS3()
        self.app = app.create(self.config)
        self.parts = self.app.state.parts
        self.parts.store._make = lambda *_: self.s3
        self.client = TestClient(self.app, base_url=ORIGIN, follow_redirects=False)
        self.session: Session | None = None

    def __enter__(self) -> Console:
        self.client.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.client.__exit__(*error)
        self.database.close()
        self.generation.close()

    def log_in(self, *, operator: bool = True, **identity: Any) -> Console:
        """Makes the client one that is logged in."""
        who = Identity(
            **{
                "access_key": "AKIATESTROOT00000001",
                "secret_key": "root/secret",
                "account_id": "123456789012",
                "account_name": "root",
                "is_operator": operator,
                **identity,
            }
        )
        self.session = self.parts.sessions.begin(who)
        self.client.cookies.set(security.cookie_name(self.config), self.session.id)
        return self

    def get(self, path: str, *, htmx: bool = False, **headers: str) -> Any:
        """A page; with `htmx`, a part of one."""
        return self.client.get(
            path, headers={**({"HX-Request": "true"} if htmx else {}), **headers}
        )

    def post(self, path: str, *, htmx: bool = False, **fields: str) -> Any:
        """A form, sent from a page of the console's own."""
        token = {} if self.session is None else {"csrf_token": self.session.csrf}
        headers = {"Origin": ORIGIN, **({"HX-Request": "true"} if htmx else {})}
        return self.client.post(path, data={**token, **fields}, headers=headers)
