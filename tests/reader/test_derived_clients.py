"""A User-Agent's family and version: the product nearest to the person counts."""

import pyarrow as pa
import pytest

from bucketlog.reader import clients, derived
from bucketlog.reader.schema import LINE_COLUMNS

AGENTS = {
    "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.11.1002 Linux/5.4]": ("S3Console", "0.4"),
    "S3Console/0.4": ("S3Console", "0.4"),
    "aws-cli/2.15.0 Python/3.11.6 Linux/6.1 exe/x86_64 command/s3.cp": ("aws-cli", "2.15.0"),
    "aws-cli/1.18.69 Python/3.8.10 Linux/5.4 botocore/1.16.19": ("aws-cli", "1.18.69"),
    "Boto3/1.28.57 md/Botocore#1.31.57 ua/2.0 os/linux": ("boto3", "1.28.57"),
    "Botocore/1.31.57 Python/3.9": ("botocore", "1.31.57"),
    "Boto/2.49.0 Python/2.7.18 Linux/4.15": ("boto", "2.49.0"),
    "aws-sdk-java/2.20.1 Linux/5.10 OpenJDK_64-Bit/17 Java/17": (
        "aws-sdk-java",
        "2.20.1",
    ),
    "aws-sdk-nodejs/2.1000.0 linux/v16.14.0 promise": ("aws-sdk-js", "2.1000.0"),
    "aws-sdk-dotnet-coreclr/3.7.0.27 .NET_Core/6.0": ("aws-sdk-dotnet", "3.7.0.27"),
    "Hadoop 3.3.4, aws-sdk-java/1.12.262 Linux/5.4": ("hadoop", "3.3.4"),
    "APN/1.0 HashiCorp/1.0 Terraform/1.4.0 aws-sdk-go-v2/1.17": ("terraform", "1.4.0"),
    "MinIO (linux; amd64) minio-go/v7.0.66 mc/RELEASE.2024-01-05": ("mc", "2024-01-05"),
    "rclone/v1.65.0": ("rclone", "1.65.0"),
    "S3 Browser/9.5.5 (https://example.com)": ("s3-browser", "9.5.5"),
    "mountpoint-s3/1.4.0 fstab": ("mountpoint-s3", "1.4.0"),
    "duckdb/v1.1.0(linux_amd64)": ("duckdb", "1.1.0"),
    "Amazon CloudFront": ("CloudFront", None),
    "ELB-HealthChecker/2.0": ("elb", "2.0"),
    "config.amazonaws.com": ("aws-service", None),
    "curl/7.15.1": ("curl", "7.15.1"),
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36": (
        "chrome",
        "120.0.0.0",
    ),
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36 Edg/120.1": (
        "edge",
        "120.1",
    ),
    "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/17.1 Safari/605.1.15": ("safari", "17.1"),
    "Mozilla/5.0 (X11; Linux) AppleWebKit/605.1.15 Safari/605.1.15": ("safari", "605.1.15"),
    "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0": ("firefox", "121.0"),
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)": ("internet-explorer", "8.0"),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://example.com/bot.html)": ("bot", "2.1"),
    "Mozilla/5.0 (compatible; SomeNewBot/1.0)": ("bot", None),
    "MyCrawler/3": ("bot", None),
    "Mozilla/5.0": ("browser", None),
    "Something/1.0": ("other", None),
    '"': ("other", None),
    "": ("other", None),
    "\N{SNOWMAN} " * 2000: ("other", None),
}


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent[:30])
def test_a_client_is_its_best_known_product(agent: str) -> None:
    assert clients.of(agent) == AGENTS[agent]


def test_every_family_can_be_met() -> None:
    for family, products in clients.FAMILIES:
        for product in products.split():
            assert clients.of(f"{product}/1.0")[0] == family


def test_no_product_is_of_two_families() -> None:
    told = [product for _, products in clients.FAMILIES for product in products.split()]
    assert sorted(told) == sorted(set(told))


def batch(rows: list[tuple[str | None, str | None]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [
            {
                "user_agent": agent,
                "operation": operation,
                "parse_ambiguous": False,
                "line_number": 1,
            }
            for agent, operation in rows
        ],
        schema=LINE_COLUMNS,
    )


def test_the_columns_are_the_family_and_the_version() -> None:
    made = derived.add(
        batch([(agent, "REST.GET.OBJECT") for agent in AGENTS]), ["client", "client_version"]
    )
    pairs = zip(
        made.column("client").to_pylist(), made.column("client_version").to_pylist(), strict=True
    )
    assert list(pairs) == list(AGENTS.values())


def test_lifecycle_is_a_client_without_a_user_agent() -> None:
    rows: list[tuple[str | None, str | None]] = [
        (None, "S3.EXPIRE.OBJECT"),
        (None, "REST.GET.OBJECT"),
        ("curl/8", "S3.EXPIRE.OBJECT"),
        (None, None),
    ]
    made = derived.add(batch(rows), ["client"])
    assert made.column("client").to_pylist() == ["lifecycle", None, "curl", None]
