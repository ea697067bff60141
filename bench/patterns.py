"""Published patterns for S3 server access logs, written as Python regular expressions.

A pattern is an interface that its publisher documents, so it stands here as it was published, with
its source and licence; only the spelling is Python's, and the groups carry the names of the
conformance set. Grok names are expanded by `expanded`; addresses are in a shorter spelling that
accepts the same ones. No code of these projects is here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from conformance.run import FIELDS

URI = ("method", "target", "protocol")
"""Groups of patterns that divide the request line; together they are `request_uri`."""


@dataclass(frozen=True, slots=True)
class Published:
    """A pattern: where it was published, its licence, how it is applied, and the pattern itself.

    `whole`: the pattern must cover the line, as Java's `matches` asks; else it may end or, where
    it isn't anchored, begin anywhere. `alternatives` are tried in order. `keeps_quotes`: what the
    groups hold has its quotes on.
    """

    name: str
    source: str
    licence: str
    alternatives: tuple[str, ...]
    whole: bool = False
    anchored: bool = True
    keeps_quotes: bool = False
    flags: int = 0

    def compiled(self) -> tuple[re.Pattern[str], ...]:
        """The alternatives, ready."""
        return tuple(re.compile(pattern, self.flags) for pattern in self.alternatives)


def grouped(pattern: str, names: tuple[str, ...] = FIELDS) -> str:
    """The pattern with its plain groups named, in order."""
    given = iter(names)
    return re.sub(r"(?<!\\)\((?!\?)", lambda _: f"(?P<{next(given)}>", pattern)


# ── Amazon ──────────────────────────────────────────────────────────────────────────────────────

_HEAD = r"([^ ]*) ([^ ]*) \[(.*?)\] ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) "
_WORD = r" ([^ ]*)"
_REST = rf'("[^"]*"|-) (-|[0-9]*){_WORD * 6} ("[^"]*"|-){_WORD}'
_GUIDE = (
    "Amazon S3 User Guide, "
    "[Using Amazon S3 server access logs to identify requests]"
    "(https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-s3-access-logs-to-identify-requests.html)"
)

AMAZON_NOW = Published(
    "Amazon's Athena table, today",
    f"{_GUIDE}, the table of 26 columns (since 2022)",
    "documentation",
    (grouped(f"{_HEAD}{_REST}(?:{_WORD * 8})?.*$"),),
    whole=True,
    keeps_quotes=True,
)
AMAZON_THEN = Published(
    "Amazon's Athena table, 2020",
    f"{_GUIDE}, the table of 24 columns (2020 to 2022)",
    "documentation",
    (grouped(f"{_HEAD}{_REST}(?:{_WORD * 6})?.*$"),),
    whole=True,
    keeps_quotes=True,
)
AMAZON_2019 = Published(
    "Amazon's Athena table, 2019",
    "Amazon S3 Developer Guide of 2019, the table with the request line in three columns",
    "documentation",
    (
        grouped(
            rf'{_HEAD}"([^ ]*) ([^ ]*) (- |[^ ]*)" (-|[0-9]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) '
            rf'([^ ]*) ([^ ]*) ("[^"]*") ([^ ]*)(?:{_WORD * 6})?.*$',
            (*FIELDS[:8], *URI, *FIELDS[9:]),
        ),
    ),
    whole=True,
    keeps_quotes=True,
)

# ── grok ────────────────────────────────────────────────────────────────────────────────────────

_MONTHS = (
    r"(?:Jan(?:uary|uar)?|Feb(?:ruary|ruar)?|Mar(?:ch|z)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sep(?:tember)?|O(?:c|k)?t(?:ober)?|Nov(?:ember)?|De(?:c|z)(?:ember)?)"
)
_ADDRESS = (
    r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9.]+)?)"
)
_LABEL = r"(?:[0-9A-Za-z][0-9A-Za-z-]{0,62})"
GROK = {
    "WORD": r"\b\w+\b",
    "NOTSPACE": r"\S+",
    "DATA": r".*?",
    "INT": r"(?:[+-]?(?:[0-9]+))",
    "NUMBER": r"(?:(?<![0-9.+-])(?>[+-]?(?:(?:[0-9]+(?:\.[0-9]+)?)|(?:\.[0-9]+))))",
    "BASE16NUM": r"(?<![0-9A-Fa-f])(?:[+-]?(?:0x)?(?:[0-9A-Fa-f]+))",
    "HOSTNAME": rf"\b{_LABEL}(?:\.{_LABEL})*(?:\.?|\b)",
    "IP": rf"(?:{_ADDRESS})",
    "HTTPDATE": rf"(?:(?:0[1-9])|(?:[12][0-9])|(?:3[01])|[1-9])/\b{_MONTHS}\b/(?>\d\d){{1,2}}:"
    r"(?!<[0-9])(?:2[0123]|[01]?[0-9]):(?:[0-5][0-9])(?::(?:(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?))"
    r"(?![0-9]) (?:[+-]?(?:[0-9]+))",
    "QS": r"""(?:(?>(?<!\\)(?>"(?>\\.|[^\\"]+)+"|""|(?>'(?>\\.|[^\\']+)+')|'')))""",
    "S3REQUESTER": r"[a-zA-Z0-9/_.\-%:@]+",
    "S3REQUESTID": r"[a-zA-Z0-9]+",
    "S3OPERATION": r"%{WORD}.%{WORD}.%{WORD}",
    "S3KEY": r"[a-zA-Z0-9/_!\-.*'()%+]+",
    "S3ID": r"[a-zA-Z0-9/_.\-%+=:]+",
    "S3VERSION": r"[a-zA-Z0-9.]+",
    "S3ACLREQUIRED": r"(?:-|Yes)",
    "S3REGION": r"[a-zA-Z][a-zA-Z0-9-]*",
}


def expanded(pattern: str) -> str:
    """A grok pattern as a regular expression; `%{NAME:field}` becomes a group of that name.

    A name that comes a second time is a group without a name.
    """
    seen: set[str] = set()

    def one(match: re.Match[str]) -> str:
        name, _, field = match[1].partition(":")
        inner = re.sub(r"%\{(\w+)\}", one, GROK[name])
        if not field or field in seen:
            return f"(?:{inner})"
        seen.add(field)
        return f"(?P<{field}>{inner})"

    return re.sub(r"%\{([\w:]+)\}", one, pattern)


_CORE = "https://github.com/logstash-plugins/logstash-patterns-core"
LOGSTASH = Published(
    "Logstash S3_ACCESS_LOG, legacy",
    f"[logstash-patterns-core]({_CORE}), patterns/legacy/aws",
    "Apache-2.0",
    (
        expanded(
            r"%{WORD:bucket_owner} %{NOTSPACE:bucket} \[%{HTTPDATE:time}\] (?:%{IP:remote_ip}|-) "
            r"%{NOTSPACE:requester} %{NOTSPACE:request_id} %{NOTSPACE:operation} %{NOTSPACE:key} "
            r'(?:"(?:%{WORD:method} %{NOTSPACE:target}(?: HTTP/%{NUMBER:version})?|%{DATA:raw})"'
            r'|"-"|-) (?:%{INT:http_status}|-) (?:-|%{NOTSPACE:error_code}) '
            r"(?:%{INT:bytes_sent}|-) (?:%{INT:object_size}|-) (?:%{INT:total_time}|-) "
            r'(?:%{INT:turn_around_time}|-) (?:%{QS:referer}|-) (?:"?%{QS:user_agent}"?|-) '
            r"(?:-|%{NOTSPACE:version_id})"
        ),
    ),
    anchored=False,
    keeps_quotes=True,
)
LOGSTASH_ECS = Published(
    "Logstash S3_ACCESS_LOG, ECS",
    f"[logstash-patterns-core]({_CORE}), patterns/ecs-v1/aws",
    "Apache-2.0",
    (
        expanded(
            r"%{WORD:bucket_owner} %{NOTSPACE:bucket} \[%{HTTPDATE:time}\] %{IP:remote_ip} "
            r"(?:-|%{NOTSPACE:requester}) %{NOTSPACE:request_id} %{NOTSPACE:operation} "
            r"(?:-|%{NOTSPACE:key}) "
            r'(?:-|"(?:%{WORD:method} %{NOTSPACE:target}(?: HTTP/%{NUMBER:version})?)") '
            r"(?:-|%{INT:http_status}) (?:-|%{NOTSPACE:error_code}) (?:-|%{INT:bytes_sent}) "
            r"(?:-|%{INT:object_size}) (?:-|%{INT:total_time}) (?:-|%{INT:turn_around_time}) "
            r'"(?:-|%{DATA:referer})" "(?:-|%{DATA:user_agent})" (?:-|%{NOTSPACE:version_id})'
            r"(?: (?:-|%{NOTSPACE:host_id}) (?:-|%{NOTSPACE:signature_version}) "
            r"(?:-|%{NOTSPACE:cipher_suite}) (?:-|%{NOTSPACE:authentication_type}) "
            r"(?:-|%{NOTSPACE:host_header}) (?:-|%{NOTSPACE:tls_version}))?"
        ),
    ),
    anchored=False,
)
ELASTIC = Published(
    "Elastic integration",
    "[elastic/integrations](https://github.com/elastic/integrations), aws s3access, "
    "ingest_pipeline/default.yml (2026, with source Region)",
    "Elastic-2.0",
    (
        expanded(
            r"%{BASE16NUM:bucket_owner} %{HOSTNAME:bucket} \[%{HTTPDATE:time}\] "
            r"(?:-|%{IP:remote_ip}) (?:-|%{S3REQUESTER:requester}) %{S3REQUESTID:request_id} "
            r'%{S3OPERATION:operation} (?:-|%{S3KEY:key}) (?:-|"%{DATA:request_uri}") '
            r"(?:-|%{NUMBER:http_status}) (?:-|%{WORD:error_code}) (?:-|%{NUMBER:bytes_sent}) "
            r"(?:-|%{NUMBER:object_size}) (?:-|%{NUMBER:total_time}) "
            r'(?:-|%{NUMBER:turn_around_time}) (?:-|"-"|"%{DATA:referer}") '
            r'(?:-|"(?:-|%{DATA:user_agent})") (?:-|%{S3KEY:version_id}) (?:-|%{S3ID:host_id}) '
            r"(?:-|%{S3VERSION:signature_version}) (?:-|%{S3KEY:cipher_suite}) "
            r"(?:-|%{WORD:authentication_type}) (?:-|%{S3ID:host_header}) "
            r"(?:-|%{S3VERSION:tls_version})(?: (?:-|%{S3REQUESTER:access_point_arn}))?"
            r"(?: (?:-|%{S3ACLREQUIRED:acl_required}))?(?: (?:-|%{S3REGION:source_region}))?"
            r"(?: %{S3REGION:source_region})?"
        ),
    ),
    anchored=False,
)

# ── others ──────────────────────────────────────────────────────────────────────────────────────

SIEM = Published(
    "SIEM on OpenSearch",
    "[siem-on-amazon-opensearch-service]"
    "(https://github.com/aws-samples/siem-on-amazon-opensearch-service), es_loader/aws.ini",
    "MIT-0",
    (
        r"(?P<bucket_owner>[^ ]*) (?P<bucket>[^ ]*) \[(?P<time>.*?)\] (?P<remote_ip>[^ ]*) "
        r"(?P<requester>[^ ]*) (?P<request_id>[^ ]*) (?P<operation>[^ ]*) (?P<key>[^ ]*) "
        r'("(?P<method>[^ ]*) (?P<target>[^ ]*) (?P<protocol>- |[^ ]*)"|"-"|-) '
        r"(?P<http_status>-|[0-9]*) (?P<error_code>[^ ]*) (?P<bytes_sent>[^ ]*) "
        r"(?P<object_size>[^ ]*) (?P<total_time>[^ ]*) (?P<turn_around_time>[^ ]*) "
        r'("(?P<referer>[^ ]*)"|-) ("(?P<user_agent>.*)"|-) (?P<version_id>[^ ]*)'
        r"(?: (?P<host_id>[^ ]*) (?P<signature_version>[^ ]*) (?P<cipher_suite>[^ ]*) "
        r"(?P<authentication_type>[^ ]*) (?P<host_header>[^ ]*) (?P<tls_version>[^ ]*))?",
    ),
)


def _gonx(names: tuple[str, ...]) -> str:
    """What Tailpipe's layout becomes: each field up to the character that follows it there."""
    parts = []
    for name in names:
        if name == "time":
            parts.append(r"\[(?P<time>[^\]]*)\]")
        elif name in ("request_uri", "referer", "user_agent"):
            parts.append(f'"(?P<{name}>[^"]*)"')
        else:
            parts.append(f"(?P<{name}>[^ ]*)")
    return "^" + " ".join(parts) + "$"


TAILPIPE = Published(
    "Tailpipe",
    "[tailpipe-plugin-aws](https://github.com/turbot/tailpipe-plugin-aws), the layouts of "
    "aws_s3_server_access_log",
    "Apache-2.0",
    (_gonx(FIELDS[:26]), _gonx(FIELDS[:25])),
)


def _graphic(names: tuple[str, ...]) -> str:
    """One of the alternatives of access-log-parser: so many fields of printable ASCII."""
    parts = []
    for name in names:
        if name == "time":
            parts.append(r"\[(?P<time>[^\]]+)\]")
        elif name == "request_uri":
            parts.append(r'"(?P<method>[A-Z]+) (?P<target>[^ "]+) (?P<protocol>HTTP/[0-9.]+)"')
        elif name in ("referer", "user_agent"):
            parts.append(f'"(?P<{name}>[^"]*)"')
        elif name == "http_status":
            parts.append(r"(?P<http_status>\d{1,3})")
        elif name in FIELDS[11:15]:
            parts.append(rf"(?P<{name}>[\d\-.]+)")
        else:
            parts.append(f"(?P<{name}>[!-~]+)")
    return "^" + " ".join(parts)


ACCESS_LOG_PARSER = Published(
    "access-log-parser (Go)",
    "[nekrassov01/access-log-parser](https://github.com/nekrassov01/access-log-parser), "
    "NewS3RegexParser",
    "MIT",
    tuple(_graphic(FIELDS[:count]) for count in (26, 25, 24, 23, 18)),
)
S3_ACCESS_LOG_PARSER = Published(
    "s3-access-log-parser (npm)",
    "[icodeforlove/s3-access-log-parser](https://github.com/icodeforlove/s3-access-log-parser) "
    "0.0.2, index.js",
    "MIT",
    (
        r"(?:(?P<bucket_owner>[a-z0-9]+)|-) (?:-|(?P<bucket>[a-z0-9.\-_]+)) "
        r"(?:\[(?P<time>[^\]]+)\]|-) (?:(?P<remote_ip>[0-9.]+)|-) "
        r"(?:-|(?P<requester>[a-z0-9:/\-]+)) (?:(?P<request_id>[a-z0-9.-_]+)|-) "
        r"(?:(?P<operation>[a-z.]+)|-) (?:-|(?P<key>[a-z0-9.\-_/%]+)) "
        r'(?:"-"|"(?P<request_uri>[^"]+)"|-) (?:(?P<http_status>\d+)|-) '
        r"(?:(?P<error_code>[a-z]+)|-) (?:(?P<bytes_sent>\d+)|-) (?:(?P<object_size>\d+)|-) "
        r"(?:(?P<total_time>\d+)|-) (?:(?P<turn_around_time>\d+)|-) "
        r'(?:"-"|"(?P<referer>[^"]+)"|-) (?:"-"|"(?P<user_agent>[^"]+)"|-) '
        r"(?:(?P<version_id>[a-z0-9]+)|-)",
    ),
    anchored=False,
    flags=re.IGNORECASE,
)

PUBLISHED = (
    *(AMAZON_NOW, AMAZON_THEN, AMAZON_2019, ELASTIC, LOGSTASH, LOGSTASH_ECS, SIEM, TAILPIPE),
    *(ACCESS_LOG_PARSER, S3_ACCESS_LOG_PARSER),
)
"""Every published pattern."""
