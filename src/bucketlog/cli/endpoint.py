"""The S3 endpoint that commands speak to, by boto3 and the usual AWS rules.

Without --endpoint, AWS_ENDPOINT_URL and the profile's `endpoint_url` count; without these it is
the server on this machine. What boto3 raises ends here: `problems` makes a Problem of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from bucketlog.problems import Problem

DEFAULT = "http://127.0.0.1:9000"
AMAZON = "aws"

F = TypeVar("F", bound=Callable[..., Any])

# What to do about an S3 error, by its code. Amazon's own message is told in any case.
_HINTS = {
    "AccessDenied": "These keys may not do that; only the account that owns the bucket may.",
    "CrossLocationLoggingProhibitted": "Source and target must be in one Region.",
    "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID or --profile; `bucketlog key list` shows all "
    "keys of a server on this machine.",
    "InvalidTargetBucketForLogging": "The target must exist and belong to the same account as the "
    "source.",
    "NoSuchBucket": "`bucketlog logging status` lists the buckets of these keys.",
    "NotImplemented": "This store can't do that.",
    "MethodNotAllowed": "This store can't do that.",
    "PermanentRedirect": "The bucket is in another Region: give --region.",
    "AuthorizationHeaderMalformed": "The bucket may be in another Region: give --region.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY or --profile.",
    "AccessControlListNotSupported": "ACLs are disabled on the target: use --grant policy.",
    "SlowDown": "The server is busy; try again in a moment.",
}


def options(command: F) -> F:
    """Adds --endpoint, --profile and --region, for `connect`."""
    command = click.option("--region", help="Region to sign for.  [AWS_DEFAULT_REGION]")(command)
    command = click.option("--profile", help="Profile of the AWS settings.  [AWS_PROFILE]")(command)
    return click.option(
        "--endpoint",
        metavar="URL",
        help=f"S3 endpoint; {AMAZON} is Amazon's own.  [default: {DEFAULT}; AWS_ENDPOINT_URL]",
    )(command)


@dataclass(frozen=True, slots=True)
class Connection:
    """A boto3 S3 client, the session it came from, and the options that would make it again."""

    s3: Any
    session: Any
    options: tuple[str, ...]

    @property
    def address(self) -> str:
        """The URL it speaks to."""
        return str(self.s3.meta.endpoint_url)

    @property
    def is_amazon(self) -> bool:
        """Whether that is Amazon itself."""
        host = self.address.partition("://")[2].partition("/")[0]
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def connect(endpoint: str | None, profile: str | None, region: str | None) -> Connection:
    """Who is spoken to. Raises `Problem` without boto3, keys, or a usable address."""
    given = (("--endpoint", endpoint), ("--profile", profile), ("--region", region))
    options = tuple(word for flag, value in given if value for word in (flag, value))
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise Problem(
            "This command speaks S3 with boto3, which is not installed.",
            "pip install 'bucketlog[demo]'",
        ) from error
    with problems(endpoint or DEFAULT):
        session = boto3.Session(profile_name=profile)
        if session.get_credentials() is None:
            raise Problem(
                "There are no keys to sign with.",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --profile.",
            )
        region = region or os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
        settings: dict[str, Any] = {
            "signature_version": "s3v4",
            "connect_timeout": 5,
            "retries": {"max_attempts": 2, "mode": "standard"},
            "request_checksum_calculation": "when_required",
        }
        if endpoint in (None, AMAZON):
            client = session.client("s3", region_name=region, config=Config(**settings))
            found = Connection(client, session, options)
            if endpoint == AMAZON or not found.is_amazon:
                return found
            endpoint = DEFAULT
        # Few stores answer to BUCKET.HOST; all do to HOST/BUCKET.
        config = Config(**settings, s3={"addressing_style": "path"})
        client = session.client("s3", endpoint_url=endpoint, region_name=region, config=config)
        return Connection(client, session, options)


def code_of(error: Exception) -> str:
    """The S3 error code of a boto3 ClientError, "" of any other exception."""
    found: str = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    # HEAD has no body to carry a code, so boto3 gives the status.
    return {"403": "AccessDenied", "404": "NoSuchBucket"}.get(found, found)


@contextmanager
def problems(address: str) -> Iterator[None]:
    """Turns what boto3 raises into a `Problem`. `address` is whom it spoke to."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _refused(error) from error
    except (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.ConnectionClosedError,
    ) as error:
        hint = "Is `bucketlog serve` running? Another store is named by --endpoint."
        raise Problem(f"{address} doesn't answer: {_reason(error)}.", hint) from error
    except exceptions.ProfileNotFound as error:
        raise Problem(f"{error}.", "`aws configure list-profiles` lists them.") from error
    except exceptions.ParamValidationError as error:
        raise Problem(str(error).replace("\n", " "), "Check the names of the buckets.") from error
    except (exceptions.BotoCoreError, ValueError) as error:
        raise Problem(f"S3 at {address}: {error}", "Check --endpoint and --profile.") from error


def _refused(error: Any) -> Problem:
    code = code_of(error)
    details = error.response.get("Error", {})
    named = [
        f"{name} {details[name]}"
        for name in ("BucketName", "TargetBucket", "TargetBucketLocation")
        if details.get(name)
    ]
    about = f" ({', '.join(named)})" if named else ""
    message = str(details.get("Message") or "refused").strip()
    return Problem(f"{error.operation_name}: {code}: {message}{about}", _HINTS.get(code))


def _reason(error: Exception) -> str:
    cause = getattr(error, "kwargs", {}).get("error", error)
    text = str(cause)
    for known in ("Connection refused", "Name or service not known", "timed out"):
        if known.lower() in text.lower():
            return known[0].lower() + known[1:]
    return text.rstrip(".")
