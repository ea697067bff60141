"""Which software sent a request: the family of a User-Agent, and its version.

A User-Agent is a list of products, `name/version`; a client names the libraries it stands on, too.
Each known product has a rank here, and the one nearest to the person counts: a tool before the
SDK it uses, an SDK before the HTTP library under that. A client can send what it likes, so this
is for counting, never for trust.
"""

from __future__ import annotations

import re
from functools import lru_cache

FAMILIES: tuple[tuple[str, str], ...] = (
    # Parts of AWS, which act on somebody's behalf.
    ("S3Console", "s3console"),
    ("CloudFront", "cloudfront"),
    ("elb", "elb-healthchecker elasticloadbalancing"),
    ("athena", "athena"),
    ("emr", "emrfs elasticmapreduce"),
    ("glue", "glue aws-glue awsglue"),
    ("redshift", "redshift"),
    ("config", "awsconfig"),
    ("datasync", "aws-datasync datasync"),
    ("storage-gateway", "aws-storagegateway storagegateway"),
    # Tools.
    ("aws-cli", "aws-cli"),
    ("s3cmd", "s3cmd"),
    ("s5cmd", "s5cmd"),
    ("rclone", "rclone"),
    ("mc", "mc"),
    ("mountpoint-s3", "mountpoint-s3"),
    ("s3fs", "s3fs"),
    ("goofys", "goofys"),
    ("geesefs", "geesefs"),
    ("juicefs", "juicefs"),
    ("cyberduck", "cyberduck"),
    ("mountain-duck", "mountain"),
    ("s3-browser", "s3browser s3-browser"),
    ("cloudberry", "cloudberrylab.base.httputil cloudberry msp360"),
    ("transmit", "transmit"),
    ("winscp", "winscp"),
    ("filezilla", "filezilla"),
    ("terraform", "terraform opentofu"),
    ("pulumi", "pulumi"),
    ("veeam", "veeam"),
    ("restic", "restic"),
    ("kopia", "kopia"),
    ("duplicati", "duplicati"),
    ("hadoop", "hadoop s3a"),
    ("trino", "trino presto"),
    ("spark", "spark apache-spark"),
    ("duckdb", "duckdb"),
    ("clickhouse", "clickhouse"),
    ("polars", "polars"),
    ("gdal", "gdal"),
    ("htslib", "htslib samtools"),
    ("snowflake", "snowflake"),
    ("fluent-bit", "fluent-bit"),
    ("vector", "vector"),
    ("logstash", "logstash"),
    ("bucketlog", "bucketlog"),
    # SDKs.
    ("boto3", "boto3"),
    ("aiobotocore", "aiobotocore"),
    ("botocore", "botocore"),
    ("boto", "boto"),
    ("aws-sdk-java", "aws-sdk-java aws-sdk-java-v2"),
    ("aws-sdk-js", "aws-sdk-js aws-sdk-nodejs"),
    ("aws-sdk-go", "aws-sdk-go aws-sdk-go-v2"),
    ("aws-sdk-php", "aws-sdk-php aws-sdk-php2"),
    ("aws-sdk-ruby", "aws-sdk-ruby aws-sdk-ruby2 aws-sdk-ruby3"),
    ("aws-sdk-dotnet", "aws-sdk-dotnet aws-sdk-dotnet-45 aws-sdk-dotnet-35 aws-sdk-dotnet-coreclr"),
    ("aws-sdk-cpp", "aws-sdk-cpp"),
    ("aws-sdk-rust", "aws-sdk-rust"),
    ("aws-sdk-swift", "aws-sdk-swift"),
    ("aws-sdk-kotlin", "aws-sdk-kotlin"),
    ("aws-sdk-ios", "aws-sdk-ios"),
    ("aws-sdk-android", "aws-sdk-android"),
    ("aws-crt", "crts3nativeclient"),
    ("minio-go", "minio-go"),
    ("minio-py", "minio-py"),
    ("minio-java", "minio-java"),
    ("minio-js", "minio-js"),
    ("object_store", "object_store"),
    ("fog", "fog fog-core"),
    # Crawlers, which name browsers, too.
    ("bot", "googlebot bingbot yandexbot duckduckbot baiduspider applebot ahrefsbot semrushbot"),
    ("bot", "facebookexternalhit twitterbot slackbot linkedinbot petalbot bytespider gptbot"),
    # Browsers: each names those it descends from, so the youngest comes first.
    ("edge", "edg edge edga edgios"),
    ("opera", "opr opera"),
    ("samsung-browser", "samsungbrowser"),
    ("firefox", "firefox fxios"),
    ("chrome", "headlesschrome chrome crios chromium"),
    ("safari", "safari"),
    ("internet-explorer", "msie trident"),
    # Libraries of HTTP.
    ("curl", "curl"),
    ("wget", "wget"),
    ("libcurl", "libcurl pycurl"),
    ("python-requests", "python-requests"),
    ("python-httpx", "python-httpx"),
    ("aiohttp", "aiohttp"),
    ("python-urllib", "python-urllib python-urllib3"),
    ("go-http", "go-http-client"),
    ("okhttp", "okhttp"),
    ("apache-httpclient", "apache-httpclient"),
    ("axios", "axios"),
    ("node-fetch", "node-fetch undici"),
    ("postman", "postmanruntime"),
    ("guzzle", "guzzlehttp"),
    ("perl", "libwww-perl lwp"),
    ("ruby", "ruby faraday"),
    ("reqwest", "reqwest"),
    ("java", "java java-http-client"),
    ("apple-cfnetwork", "cfnetwork"),
    ("aws-internal", "aws-internal"),
    ("browser", "mozilla"),
)
"""Families, the one that says most first, with the products that make them, in lower case."""

OTHER = "other"
"""The family of a User-Agent that names no known product."""

SERVICE = "aws-service"
"""The family of a User-Agent that is the name of an AWS service."""

_RANKS: dict[str, tuple[int, str]] = {
    product: (rank, family)
    for rank, (family, products) in reversed(list(enumerate(FAMILIES)))
    for product in products.split()
}
# Names that hold a blank, as one product each.
_PHRASES = {"amazon cloudfront": "cloudfront", "s3 browser": "s3browser", "aws config": "awsconfig"}
_PHRASE = re.compile("|".join(_PHRASES), re.IGNORECASE)
_PRODUCT = re.compile(
    r"([A-Za-z][A-Za-z0-9._+-]*)(?:(?:[/#]| (?=v?[0-9]))(?:v|RELEASE\.)?([0-9][^\s;,()\[\]]*))?"
)
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?")
_BOT = re.compile(r"bot\b|spider|crawler", re.IGNORECASE)
_LONGEST = 1024  # characters that are looked at


@lru_cache(maxsize=4096)
def of(user_agent: str) -> tuple[str, str | None]:
    """The family and version of a User-Agent; text in brackets, as the console sends it, too."""
    text = user_agent[:_LONGEST].strip("[] \"'")
    if _SERVICE.fullmatch(text):
        return SERVICE, None
    text = _PHRASE.sub(lambda match: _PHRASES[match[0].lower()], text)
    best: tuple[int, str] | None = None
    version: str | None = None
    for name, number in _PRODUCT.findall(text):
        known = _RANKS.get(name.lower())
        if known is not None and (best is None or known < best):
            best, version = known, number or None
    if best is None or best[1] == "browser":
        if _BOT.search(text):
            return "bot", None
        return (OTHER, None) if best is None else ("browser", None)
    if best[1] == "safari":  # which gives its own version as Version/, that of WebKit as Safari/
        found = re.search(r"Version/([0-9.]+)", text)
        version = found[1] if found else version
    return best[1], version
