"""The console as a Starlette application: `create(config)`.

A page is a module of `pages` with a list `routes`; `PAGES` below names them all. A page is only
called for who is logged in (`security.Guard`), reaches everything through `parts.of(request)`,
does its S3 calls by `s3.call`, and answers by `render.page` or `render.fragment`. What it raises
becomes a page, or a toast where htmx asked (`failures.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from bucketlog.console import failures, security
from bucketlog.console.assets import Assets
from bucketlog.console.config import Config
from bucketlog.console.insights.shelf import Shelf
from bucketlog.console.log_objects import LogObjects
from bucketlog.console.pages import (
    accounts,
    bucket_admin,
    buckets,
    delivery,
    health,
    insights,
    login,
    monitoring,
    objects,
    permissions,
    properties,
)
from bucketlog.console.parts import Parts
from bucketlog.console.render import Renderer
from bucketlog.console.s3 import Store
from bucketlog.console.sessions import Patience, Sessions
from bucketlog.console.usage import Usage
from bucketlog.console.vitals import Vitals
from bucketlog.console.watching import Streams
from bucketlog.console.workers import Workers
from bucketlog.state.accounts import Accounts
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation
from bucketlog.state.rules import Rules

PAGES = (
    monitoring,
    login,
    buckets,
    bucket_admin,
    properties,
    permissions,
    delivery,
    objects,
    insights,
    accounts,
    health,
)

_THREADS = 24


def create(config: Config) -> Starlette:
    """The application. Opens the state in the data folder; closed when its lifespan ends."""
    assets = Assets()
    sessions = Sessions(config.idle_s)
    threads = ThreadPoolExecutor(_THREADS, "console")
    generation = Generation.open(config.data)
    database = Database.open(config.data)
    store = Store(config)
    workers = Workers(config.run)
    shelf = Shelf()
    vitals = Vitals(workers)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        threads.submit(store.warm)
        vitals.start()
        try:
            yield
        finally:
            await vitals.stop()
            threads.shutdown(wait=False, cancel_futures=True)
            shelf.close()
            database.close()
            generation.close()

    app = Starlette(
        routes=[
            Route("/static/{digest}/{name:path}", assets.answer),
            *(route for page in PAGES for route in page.routes),
        ],
        middleware=[
            Middleware(security.Guard, config=config, sessions=sessions),
            Middleware(failures.Catch),
        ],
        exception_handlers=failures.HANDLERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.parts = Parts(
        config=config,
        sessions=sessions,
        patience=Patience(),
        assets=assets,
        renderer=Renderer(assets),
        store=store,
        workers=workers,
        usage=Usage(workers),
        shelf=shelf,
        streams=Streams(),
        vitals=vitals,
        accounts=Accounts(database, generation),
        rules=Rules(database, generation),
        threads=threads,
        log_objects=LogObjects(),
    )
    return app
