"""Who asks an S3 endpoint, and where it is: options that overrule the usual AWS settings."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Access:
    """As given; None leaves it to the environment and the AWS configuration files.

    `requests` is how many may be in flight at once. `notes` collects what a reader should know.
    """

    endpoint_url: str | None = None
    profile: str | None = None
    region: str | None = None
    requests: int = 64
    notes: list[str] = field(default_factory=list)
