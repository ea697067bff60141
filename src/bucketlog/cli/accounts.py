"""`bucketlog account`, `user` and `key`: who may sign requests.

They change the state in the data folder; a running server goes by it at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bucketlog.cli import options
from bucketlog.problems import Problem

if TYPE_CHECKING:
    from bucketlog.s3.model import Credential, Owner
    from bucketlog.state.accounts import Accounts

_account = click.option(
    "--account", help="Name or 12-digit id of the account.  [default: the root account]"
)
_of_account = click.option("--account", help="Name or 12-digit id of an account.  [default: all]")
_access_key = click.option("--access-key", help="Access key to use instead of a new one.")
_secret_key = click.option(
    "--secret-key", help="Secret to use instead of a new one; - reads it from stdin."
)


@click.group()
def account() -> None:
    """Accounts: who owns buckets.

    Example: bucketlog account add lab
    """


@account.command("add")
@click.argument("name")
@click.option("--account-id", help="12 digits to use instead of new ones.")
@click.option("--canonical-id", help="64 hex digits to use instead of new ones.")
@_access_key
@_secret_key
@options.data_folder
@options.as_json
def add_account(
    name: str,
    account_id: str | None,
    canonical_id: str | None,
    access_key: str | None,
    secret_key: str | None,
    data: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Make an account and an access key of its root.

    Example: bucketlog account add lab --json
    """
    secret_key = _read_secret(secret_key)
    with _accounts(data, config, make=True) as accounts:
        made = accounts.add_account_with_key(
            name,
            account_id=account_id,
            canonical_id=canonical_id,
            access_key=access_key,
            secret_key=secret_key,
        )
    _tell_key(name, made, as_json)


@account.command("list")
@options.data_folder
@options.as_json
def list_accounts(data: Path | None, config: Path | None, as_json: bool) -> None:
    """List all accounts.

    Example: bucketlog account list
    """
    with _accounts(data, config) as accounts:
        found = accounts.accounts()
    if as_json:
        options.print_json(
            [
                {**_owner(each.owner), "arn": each.arn, "created_at": _instant(each.created_at)}
                for each in found
            ]
        )
    else:
        options.print_table(
            ("name", "account id", "canonical id", "created"),
            (
                (
                    each.owner.name,
                    each.owner.account_id,
                    each.owner.canonical_id,
                    _instant(each.created_at),
                )
                for each in found
            ),
        )


@click.group()
def user() -> None:
    """Users of an account: they sign with keys of their own, and records name them.

    Example: bucketlog user add bob
    """


@user.command("add")
@click.argument("name")
@_account
@_access_key
@_secret_key
@options.data_folder
@options.as_json
def add_user(
    name: str,
    account: str | None,
    access_key: str | None,
    secret_key: str | None,
    data: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Make a user and an access key.

    Example: bucketlog user add bob --account lab
    """
    secret_key = _read_secret(secret_key)
    with _accounts(data, config) as accounts:
        made = accounts.add_user_with_key(
            name, account, access_key=access_key, secret_key=secret_key
        )
    _tell_key(name, made, as_json)


@user.command("list")
@_of_account
@options.data_folder
@options.as_json
def list_users(account: str | None, data: Path | None, config: Path | None, as_json: bool) -> None:
    """List the users of all accounts, or of one.

    Example: bucketlog user list --account lab
    """
    with _accounts(data, config) as accounts:
        found = accounts.users(account)
    if as_json:
        options.print_json(
            [
                {
                    "name": each.name,
                    "arn": each.arn,
                    "account": _owner(each.account),
                    "created_at": _instant(each.created_at),
                }
                for each in found
            ]
        )
    else:
        options.print_table(
            ("name", "account", "arn", "created"),
            ((u.name, u.account.name, u.arn, _instant(u.created_at)) for u in found),
        )


@user.command("remove")
@click.argument("name")
@_account
@options.data_folder
@options.as_json
def remove_user(
    name: str, account: str | None, data: Path | None, config: Path | None, as_json: bool
) -> None:
    """Remove a user, with all access keys.

    Example: bucketlog user remove bob
    """
    with _accounts(data, config) as accounts:
        gone = accounts.remove_user(name, account)
    if as_json:
        options.print_json({"removed": name, "access_keys": gone})
    else:
        click.echo(f"removed {name}" + (f" and {', '.join(gone)}" if gone else ""))


@click.group()
def key() -> None:
    """Access keys: what requests are signed with.

    Example: bucketlog key add --user bob
    """


@key.command("add")
@click.option("--user", help="User it speaks for.  [default: the account's root]")
@_account
@_access_key
@_secret_key
@options.data_folder
@options.as_json
def add_key(
    user: str | None,
    account: str | None,
    access_key: str | None,
    secret_key: str | None,
    data: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Make one more access key.

    Example: bucketlog key add --user bob
    """
    secret_key = _read_secret(secret_key)
    with _accounts(data, config) as accounts:
        made = accounts.add_key(account, user, access_key=access_key, secret_key=secret_key)
    _tell_key(user or made.account.name, made, as_json)


@key.command("list")
@click.option("--user", help="Only keys of this user.")
@_of_account
@options.data_folder
@options.as_json
def list_keys(
    user: str | None, account: str | None, data: Path | None, config: Path | None, as_json: bool
) -> None:
    """List access keys, without their secrets.

    Example: bucketlog key list --user bob
    """
    with _accounts(data, config) as accounts:
        found = accounts.keys(account, user)
    if as_json:
        options.print_json(
            [
                {
                    "access_key": each.access_key,
                    "arn": each.arn,
                    "user": each.user_name,
                    "account": _owner(each.account),
                    "created_at": _instant(each.created_at),
                }
                for each in found
            ]
        )
    else:
        options.print_table(
            ("access key", "speaks for", "created"),
            ((each.access_key, each.arn, _instant(each.created_at)) for each in found),
        )


@key.command("remove")
@click.argument("access_key")
@options.data_folder
@options.as_json
def remove_key(access_key: str, data: Path | None, config: Path | None, as_json: bool) -> None:
    """Remove an access key: requests signed with it are refused from now on.

    Example: bucketlog key remove AKIAIOSFODNN7EXAMPLE
    """
    with _accounts(data, config) as accounts:
        accounts.remove_key(access_key)
    if as_json:
        options.print_json({"removed": access_key})
    else:
        click.echo(f"removed {access_key}")


@contextmanager
def _accounts(data: Path | None, config: Path | None, *, make: bool = False) -> Iterator[Accounts]:
    """The accounts in the data folder. Without `make` the folder must have been in use, so that
    a mistyped one is told rather than made.
    """
    folder = options.settings(data, config).store.folder

    from bucketlog.state.accounts import Accounts
    from bucketlog.state.database import FILE_NAME, Database
    from bucketlog.state.generation import Generation

    if not make and not (folder / FILE_NAME).exists():
        raise Problem(
            f"There is no state in {folder}.",
            "Name the server's data folder with --data; the first start makes it.",
        )
    database = Database.open(folder)
    generation = Generation.open(folder)
    try:
        yield Accounts(database, generation)
    finally:
        database.close()
        generation.close()


def _read_secret(given: str | None) -> str | None:
    return sys.stdin.readline().strip() if given == "-" else given


def _tell_key(name: str, made: Credential, as_json: bool) -> None:
    arn = made.user_arn or f"arn:aws:iam::{made.account.account_id}:root"
    if as_json:
        options.print_json(
            {
                "name": name,
                "account_id": made.account.account_id,
                "canonical_id": made.account.canonical_id,
                "arn": arn,
                "access_key": made.access_key,
                "secret_key": made.secret_key,
            }
        )
        return
    click.echo(f"{arn}\n")
    click.echo(f"AWS_ACCESS_KEY_ID={made.access_key}")
    click.echo(f"AWS_SECRET_ACCESS_KEY={made.secret_key}\n")
    click.echo("The secret is shown this once.", err=True)


def _owner(owner: Owner) -> dict[str, str]:
    return {
        "name": owner.name,
        "account_id": owner.account_id,
        "canonical_id": owner.canonical_id,
    }


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
