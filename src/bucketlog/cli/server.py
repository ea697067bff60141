"""`bucketlog serve` and `bucketlog deliver`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bucketlog import settings as configuration
from bucketlog.cli import options
from bucketlog.problems import DeliveryProblem, Problem

if TYPE_CHECKING:
    from bucketlog.gateway.control import Answer
    from bucketlog.settings import Settings


def _flags(command: Callable[..., None]) -> Callable[..., None]:
    """Every flag of the table of settings, and --config."""
    for row in reversed(configuration.table()):
        if row.flag is not None:
            command = click.option(
                row.flag,
                row.name.replace(".", "__"),
                multiple=row.is_list,
                metavar=_metavar(row.type),
                help=f"{row.meaning}  [default: {row.default or 'none'}; {row.environment}]",
            )(command)
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"TOML file with any setting.  [{configuration.CONFIG}]",
    )(command)


def _metavar(kind: str) -> str:
    """How a help page shows a kind of value: PATH, or the words to choose from."""
    return kind.replace('" or "', "|").strip('"') if '"' in kind else kind.upper()


def _settings(config: Path | None, flags: dict[str, Any]) -> Settings:
    named = {name.replace("__", "."): value for name, value in flags.items()}
    return configuration.load(named, os.environ, config)


@click.command()
@_flags
def serve(config: Path | None, **flags: Any) -> None:
    """Serve S3 with access logging, from a store of its own.

    The first start makes the root account and prints its access key, once.

    Example: bucketlog serve --data ./bucketlog-data --listen 127.0.0.1:9000
    """
    from bucketlog import journal
    from bucketlog.gateway import process

    settings = _settings(config, flags)
    journal.start(settings.log)

    def ready(endpoint: str, console: str, link: str | None) -> None:
        click.echo(f"S3 on {endpoint}; /healthz and /metrics on {console}", err=True)
        if link is not None:
            click.echo(f"Console, logged in as root: {link}", err=True)

    process.run(settings, _tell_root_key, ready)


def _tell_root_key(access_key: str, secret_key: str) -> None:
    click.echo("The root account was made. Its access key, shown this once:", err=True)
    click.echo(f"  AWS_ACCESS_KEY_ID={access_key}", err=True)
    click.echo(f"  AWS_SECRET_ACCESS_KEY={secret_key}", err=True)


@click.command()
@options.data_folder
@click.option("--wait", is_flag=True, help="Fail (exit code 1) unless all that waited is stored.")
@click.option("--bucket", help="Only what waits of this source bucket.")
@click.option("--json", "as_json", is_flag=True, help="Print what was delivered as JSON.")
def deliver(
    data: Path | None, config: Path | None, wait: bool, bucket: str | None, as_json: bool
) -> None:
    """Deliver the log records that are waiting, now.

    Asks the running server; without one, delivers from the data folder itself.

    Example: bucketlog deliver --wait
    """
    settings = options.settings(data, config)
    answers = asyncio.run(_deliver(settings, bucket))
    delivered = [item for answer in answers for item in answer.delivered]
    waiting = sum(answer.waiting for answer in answers)
    failures = {name: why for answer in answers for name, why in answer.failures.items()}
    if as_json:
        click.echo(
            json.dumps(
                {
                    "delivered": [
                        {"source": d.source, "target": d.target, "key": d.key, "records": d.records}
                        for d in delivered
                    ],
                    "waiting": waiting,
                    "failures": failures,
                }
            )
        )
    else:
        for item in delivered:
            word = "record " if item.records == 1 else "records"
            click.echo(f"{item.records:>8} {word} of {item.source} to {item.target}/{item.key}")
        if not delivered:
            click.echo("nothing was waiting" if not waiting else "nothing could be delivered")
    if wait and waiting and failures:
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(failures.items()))
        raise DeliveryProblem(
            f"{waiting} record{' still waits' if waiting == 1 else 's still wait'}. {reasons}",
            "bucketlog logging status tells what is missing.",
        )


async def _deliver(settings: Settings, bucket: str | None) -> list[Answer]:
    from bucketlog.gateway import control, process
    from bucketlog.gateway.control import Question
    from bucketlog.gateway.worker import Layout

    layout = Layout(settings.store.folder)
    if not layout.data.is_dir():
        raise Problem(
            f"There is no data folder {layout.data}.",
            "Give the one the server was started with, by --data.",
        )
    question = Question("deliver", bucket)
    answers = await control.ask_all(layout.run, question)
    if not answers:
        answers = [await process.deliver_alone(settings, layout, question)]
    errors = [answer.error for answer in answers if answer.error is not None]
    if errors:
        raise DeliveryProblem("; ".join(errors), "The server's own log says more.")
    return answers
