"""`bucketlog logging`: switch a bucket's access logging on and off, and see how it stands.

Plain S3 calls, so the endpoint may be any store. What Amazon's console does, the API doesn't:
`enable` also permits log delivery to write to the target bucket.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from bucketlog.cli import endpoint, options
from bucketlog.cli.endpoint import Connection
from bucketlog.problems import Problem
from bucketlog.s3.errors import S3Error

if TYPE_CHECKING:
    from bucketlog.cli.logging_status import Status
    from bucketlog.s3.delivery_permission import How
    from bucketlog.s3.model import Bucket

_AT_ONCE = 8  # buckets looked at side by side


@click.group()
def logging() -> None:
    """Access logging of a bucket: on, off, and how it stands.

    Example: bucketlog logging enable photos photos-logs --prefix photos/
    """


@logging.command()
@click.argument("source")
@click.argument("target")
@click.option("--prefix", default="", help="What names of log objects begin with.")
@click.option(
    "--partition",
    type=click.Choice(["event-time", "delivery-time"]),
    help="Put account, Region, bucket and date into the names of log objects.",
)
@click.option(
    "--grant",
    type=click.Choice(["acl", "policy"]),
    help="How to permit delivery.  [default: by ACL where the target has ACLs, else by policy]",
)
@endpoint.options
@options.as_json
def enable(
    source: str,
    target: str,
    prefix: str,
    partition: str | None,
    grant: How | None,
    endpoint: str | None,
    profile: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Log the requests made to SOURCE into TARGET, and permit log delivery to write there.

    Example: bucketlog logging enable photos photos-logs --prefix photos/
    """
    from bucketlog.cli import logging_status
    from bucketlog.delivery import parties

    connection = _connect(endpoint, profile, region)
    date_source = None if partition is None else logging_status.PARTITIONS[partition]
    with _problems(connection):
        before = connection.s3.get_bucket_logging(Bucket=source)
        rule = parties.rule(target, prefix, date_source, before.get("LoggingEnabled"))
        connection.s3.put_bucket_logging(
            Bucket=source, BucketLoggingStatus={"LoggingEnabled": rule}
        )
    with _logging_is_on(source), _problems(connection):
        buckets = logging_status.parties(connection, source, target, before)
        done = _permit(connection.s3, *buckets, prefix, grant)
        status = logging_status.look(connection, source)
    if as_json:
        options.print_json({**_fields(status), "granted": done})
        return
    click.echo(f"{source}: logging is on, to {target}/{prefix}")
    click.echo(f"  delivery      {logging_status.permission(status)} ({done})")


@logging.command()
@click.argument("source")
@endpoint.options
@options.as_json
def disable(
    source: str, endpoint: str | None, profile: str | None, region: str | None, as_json: bool
) -> None:
    """Stop logging the requests made to SOURCE. What is waiting is still delivered.

    Example: bucketlog logging disable photos
    """
    connection = _connect(endpoint, profile, region)
    with _problems(connection):
        connection.s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    if as_json:
        options.print_json({"bucket": source, "enabled": False})
    else:
        click.echo(f"{source}: logging is off; the permission on the target stays")


@logging.command()
@click.argument("bucket", required=False)
@endpoint.options
@options.as_json
def status(
    bucket: str | None,
    endpoint: str | None,
    profile: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Show how logging of a bucket stands, or of all buckets.

    The rule, whether delivery is permitted and what would permit it; from a bucketlog server
    also what is waiting, the last log object, failures and losses.

    Example: bucketlog logging status photos
    """
    from bucketlog.cli import logging_status

    connection = _connect(endpoint, profile, region)
    if bucket is None:
        found = _all(connection)
        if as_json:
            options.print_json([_fields(each) for each in found])
        else:
            titles = ("bucket", "target", "delivery", "waiting", "last delivered")
            options.print_table(titles, (logging_status.row(each) for each in found))
        return
    with _problems(connection):
        one = logging_status.look(connection, bucket)
    if as_json:
        options.print_json(_fields(one))
    else:
        for line in logging_status.lines(one):
            click.echo(line)


def _connect(url: str | None, profile: str | None, region: str | None) -> Connection:
    return endpoint.connect(url, profile, region)


def _problems(connection: Connection) -> AbstractContextManager[None]:
    return endpoint.problems(connection.address)


@contextmanager
def _logging_is_on(source: str) -> Iterator[None]:
    """What goes wrong from here on concerns the permission only, and says so."""
    try:
        yield
    except Problem as problem:
        message = f"Logging of {source} is on, but delivery may not be permitted: {problem.message}"
        raise Problem(message, problem.hint) from problem
    except S3Error as error:
        raise Problem(
            f"Logging of {source} is on, but the target's policy can't be judged: {error.message}.",
            f"Look at it: bucketlog logging status {source}",
        ) from error


def _permit(client: Any, source: Bucket, target: Bucket, prefix: str, grant: How | None) -> str:
    """Permits delivery, if it isn't or if `grant` says how; tells what was done."""
    from bucketlog.delivery import parties
    from bucketlog.s3 import delivery_permission

    gap = delivery_permission.gap(source, target, prefix, time.time_ns())
    if gap is None and grant is None:
        return "it was before"
    if gap is not None and gap.policy_text is None:
        raise Problem(
            f"{gap.missing}.",
            f"Change that statement, then look at: bucketlog logging status {source.name}",
        )
    why = "as asked" if grant else "the target has ACLs"
    if grant is None and not target.acls_enabled:
        why = "ACLs are disabled on the target"
    how = grant or delivery_permission.preferred(target)
    if how == "acl" and not target.acls_enabled:
        raise Problem(
            f"an ACL can't permit it, because ACLs are disabled on {target.name}.",
            "Use --grant policy.",
        )
    addition = delivery_permission.addition(source, target, prefix, how)
    if addition is None:
        return f"the {'policy' if how == 'policy' else 'ACL'} says so already"
    parties.permit(client, target.name, addition)
    if how == "policy":
        return f"by a statement in the target's policy, {why}"
    return f"by the log-delivery group's grants in the target's ACL, {why}"


def _all(connection: Connection) -> list[Status]:
    """The status of each bucket of the caller; one that can't be told says why."""
    from bucketlog.cli.logging_status import Status, look

    def one(name: str) -> Status:
        try:
            with _problems(connection):
                return look(connection, name)
        except Problem as problem:
            return Status(name, enabled=False, error=problem.message)

    with _problems(connection):
        pages = connection.s3.get_paginator("list_buckets").paginate()
        names = [each["Name"] for page in pages for each in page.get("Buckets", [])]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked = pool.map(one, names)
        if not sys.stderr.isatty():
            return list(looked)
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        return list(track(looked, "asking", len(names), console=console, transient=True))


def _fields(status: Status) -> dict[str, Any]:
    return dataclasses.asdict(status)
