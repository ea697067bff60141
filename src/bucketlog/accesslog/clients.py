"""What the made-up callers of generated records call themselves: user agents, roles, people.

User agents have the shapes of real ones, in the versions of several years; the parts of each
pattern are combined, so a few lines here make hundreds of values.
"""

from __future__ import annotations

from itertools import product

_SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 14; Pixel 8",
    "Linux; Android 10; K",
)
_KERNELS = (
    "Linux/4.14.355-277.647.amzn2.x86_64",
    "Linux/5.10.234-225.921.amzn2.x86_64",
    "Linux/6.1.112-124.190.amzn2023.aarch64",
    "Linux/6.8.0-1021-aws",
    "Darwin/24.1.0",
    "Windows/10",
)
_PYTHONS = ("3.8.20", "3.9.21", "3.11.7", "3.12.9", "3.13.2")
_BOTO = ("1.26.165", "1.34.51", "1.35.99", "1.38.23", "1.40.11")

BROWSERS: tuple[str, ...] = (
    *(
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{version}.0.0.0 {'Mobile ' * system.startswith('Linux')}Safari/537.36{brand}"
        for system, version, brand in product(
            _SYSTEMS, (109, 119, 124, 131, 138, 141), ("", " Edg/131.0.0.0", " OPR/115.0.0.0")
        )
    ),
    *(
        f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
        for system, version in product(_SYSTEMS[:3], (102, 115, 128, 134, 140))
    ),
    *(
        f"Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 "
        f"(KHTML, like Gecko) Version/{major}.{minor} Mobile/15E148 Safari/604.1"
        for major, minor in product((15, 16, 17, 18), (1, 3, 5, 6))
    ),
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "MobileSafari/604.1 CFNetwork/1568.200.51 Darwin/24.1.0",
    "okhttp/4.12.0",
    "Dart/3.5 (dart:io)",
)
"""Browsers and apps."""

ROBOTS: tuple[str, ...] = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "curl/7.88.1",
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.32.3",
    "Go-http-client/1.1",
    "pip/24.2 {'ci':null}",
    "Mozilla/5.0 zgrab/0.x",
    "-",
    "",
)
"""Crawlers, scanners and scripts without credentials."""

PROGRAMS: tuple[str, ...] = (
    *(
        f"Boto3/{boto} md/Botocore#{boto} ua/2.0 os/{kernel.lower().replace('/', '#')} "
        f"md/arch#x86_64 lang/python#{python} md/pyimpl#CPython cfg/retry-mode#legacy "
        f"Botocore/{boto}"
        for boto, python, kernel in product(_BOTO, _PYTHONS, _KERNELS[:5])
    ),
    *(
        f"aws-cli/2.{minor}.{patch} md/awscrt#0.23.8 ua/2.0 os/linux#6.1.112 md/arch#x86_64 "
        f"lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/command#s3.{command}"
        for minor, patch, command in product((15, 22, 27), (3, 10), ("cp", "sync", "ls", "rm"))
    ),
    *(
        f"aws-sdk-java/{version} {kernel} OpenJDK_64-Bit_Server_VM/17.0.13+11-LTS Java/17.0.13 "
        f"scala/2.12.18 vendor/Amazon.com_Inc. exec-env/{place}"
        for version, kernel, place in product(
            ("1.11.1034", "1.12.782", "2.29.52"), _KERNELS[:4], ("EMR", "AWS_ECS_FARGATE", "Glue")
        )
    ),
    *(
        f"Hadoop {hadoop}, aws-sdk-java/1.12.{minor} {kernel} Java/1.8.0_432 com.amazonaws"
        for hadoop, minor, kernel in product(("3.2.1", "3.3.6", "3.4.1"), (599, 782), _KERNELS[:3])
    ),
    *(
        f"aws-sdk-go-v2/1.{minor}.0 os/linux lang/go#1.{go}.4 md/GOOS#linux md/GOARCH#amd64 "
        "api/s3#1.71.0"
        for minor, go in product((24, 30, 32, 36), (20, 21, 22, 23))
    ),
    *(
        f"aws-sdk-js/3.{minor}.0 ua/2.1 os/linux#5.10.234 lang/js md/nodejs#{node} "
        f"api/s3#3.{minor}.0"
        for minor, node in product((485, 592, 705, 840), ("18.20.5", "20.18.1", "22.12.0"))
    ),
    *(f"rclone/v1.{minor}.{patch}" for minor, patch in product((62, 65, 68, 70), (0, 1, 2))),
    *(f"Terraform/1.{minor}.0 (+https://www.terraform.io) aws-sdk-go-v2" for minor in (5, 7, 9)),
    "S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.782 Linux/5.10.234 OpenJDK_64-Bit_Server_VM",
    "[S3Console/0.4]",
    "restic/0.17.3",
    "MinIO (linux; amd64) minio-go/v7.0.81 mc/RELEASE.2024-11-21T17-21-54Z",
    "s5cmd/2.3.0",
    "Cyberduck/9.1.2.42722 (Mac OS X/15.1) (aarch64)",
    "duckdb/v1.3.2(linux_amd64) cli",
    "aws-fluent-bit-plugin",
    "Vector/0.43.1 (x86_64-unknown-linux-gnu)",
    "AWS-Support-TrustedAdvisor, aws-internal/3 aws-sdk-java/1.12.782",
    "aws-sdk-ruby3/3.214.0 ua/2.1 api/s3#1.176.1 os/linux md/x86_64 lang/ruby#3.3.6",
    "aws-sdk-rust/1.3.3 os/linux lang/rust/1.82.0",
    "-",
)
"""What signs requests: SDKs, command lines, tools."""

ORIGINS: tuple[str, ...] = (
    "-",
    "-",
    "https://www.google.com/",
    "https://harbour.example/gallery/autumn?page=2&sort=new",
    "https://pier.example/blog/2024/tides.html",
    "http://localhost:3000/",
    "https://app.lantern.example/projects/4711/files#preview",
)
"""Where visitors come from."""

ROLES: tuple[str, ...] = (
    "EmrEc2DefaultRole",
    "etl-nightly",
    "lambda-thumbnailer-role",
    "AWSReservedSSO_AdministratorAccess_0a1b2c3d4e5f6071",
    "eks-loader-irsa",
    "GitHubActionsDeploy",
    "AWSServiceRoleForTrustedAdvisor",
    "backup-restic",
    "athena-query",
)
"""Roles that sessions assume."""

PEOPLE: tuple[str, ...] = (
    *("mira", "jonas", "amara", "li.wei", "tomasz", "noor", "sven", "ops-bot", "ci", "backup"),
    *("reporting+prod", "data_team", "fatima", "oleg", "inga"),
)
"""Users, and the names in sessions."""
