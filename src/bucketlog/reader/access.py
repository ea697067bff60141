"""Who asks an S3 endpoint, and where that is: by the usual AWS settings, as boto3 has them.

boto3 finds credentials, Region and endpoint: arguments, then environment, then the profile. What
moves the bytes is made from these in `buckets`. Without credentials requests are unsigned, which
is noted where people look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bucketlog.problems import Problem

if TYPE_CHECKING:
    from bucketlog.reader.buckets import Bucket

_REQUESTS = 64


@dataclass(eq=False)
class Access:
    """As given; None leaves it to the environment and the AWS configuration files.

    `requests` is how many may be in flight at once. `notes` collects what a reader should know.
    """

    endpoint_url: str | None = None
    profile: str | None = None
    region: str | None = None
    requests: int = _REQUESTS
    notes: list[str] = field(default_factory=list)
    _buckets: dict[str, Bucket] = field(default_factory=dict, repr=False)

    @cached_property
    def session(self) -> Any:
        """boto3's session. Raises `Problem` without boto3, or for an unknown profile."""
        try:
            import boto3
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise missing("boto3") from error
        try:
            return boto3.Session(profile_name=self.profile, region_name=self.region)
        except BotoCoreError as error:
            raise Problem(f"{error}.", "`aws configure list-profiles` lists them.") from error

    @cached_property
    def credentials(self) -> Any | None:
        """botocore's credentials; None if there are none, which is noted."""
        from botocore.exceptions import BotoCoreError

        try:
            found = self.session.get_credentials()
        except BotoCoreError as error:
            raise Problem(f"AWS credentials can't be had: {error}", "Check the profile.") from error
        if found is None:
            self.notes.append("No AWS credentials were found, so requests to S3 are anonymous.")
        return found

    def frozen_credentials(self) -> dict[str, Any]:
        """The credentials as they are now, for obstore, which asks again in five minutes."""
        from datetime import UTC, datetime, timedelta

        assert self.credentials is not None
        now = self.credentials.get_frozen_credentials()
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": datetime.now(UTC) + timedelta(minutes=5),
        }

    def client(self, region: str | None = None) -> Any:
        """A boto3 S3 client, for what obstore can't ask."""
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        options: dict[str, Any] = {"connect_timeout": 5, "read_timeout": 30}
        if self.credentials is None:
            options["signature_version"] = UNSIGNED
        try:
            made = self._client(region, options, Config)
            if not is_amazon(made.meta.endpoint_url):
                # Few stores answer to BUCKET.HOST; all do to HOST/BUCKET.
                style = (self.session._session.get_scoped_config().get("s3") or {}).get(
                    "addressing_style", "path"
                )
                made = self._client(region, {**options, "s3": {"addressing_style": style}}, Config)
        except (BotoCoreError, ValueError) as error:
            raise Problem(
                f"S3 can't be asked: {error}", "Check the endpoint and Region."
            ) from error
        return made

    def _client(
        self, region: str | None, options: dict[str, Any], config: Callable[..., Any]
    ) -> Any:
        return self.session.client(
            "s3",
            region_name=region or self.session.region_name or "us-east-1",
            endpoint_url=self.endpoint_url,
            config=config(**options),
        )

    def bucket(self, name: str) -> Bucket:
        """A bucket of that name, the same one every time."""
        from bucketlog.reader.buckets import Bucket

        assert self.session is not None
        return self._buckets.setdefault(name, Bucket(name, self))

    def close(self) -> None:
        """Ends the connections of its buckets."""
        for bucket in self._buckets.values():
            bucket.close()

    def setting(self, name: str) -> Any:
        """A setting that boto3 has no other name for, such as `ca_bundle`."""
        return self.session._session.get_config_variable(name)

    @property
    def certificates(self) -> bytes | None:
        """Certificates to trust besides the usual, if AWS_CA_BUNDLE or the profile names any."""
        path = self.setting("ca_bundle")
        if not path:
            return None
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise Problem(
                f"The CA bundle {path} can't be read.", "AWS_CA_BUNDLE names it."
            ) from error

    @property
    def retries(self) -> int:
        """How often a failed request is repeated: AWS_MAX_ATTEMPTS, or `max_attempts`, less one."""
        attempts = self.setting("max_attempts")
        return max(int(attempts) - 1, 0) if attempts else 5


def is_amazon(address: str) -> bool:
    """Whether a URL is Amazon's own endpoint."""
    host = address.partition("://")[2].partition("/")[0].partition(":")[0]
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def missing(package: str) -> Problem:
    """What to say where the extra isn't installed."""
    return Problem(
        f"s3:// is read with {package}, which is not installed.", "pip install 'bucketlog[s3]'"
    )
