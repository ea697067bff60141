"""The list of buckets, making and deleting one; S3 is scripted."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.support.console import AT, Console, refusal

from bucketlog.console import workers
from bucketlog.console.pages import buckets


def bucket(name: str, region: str = "us-east-1") -> dict[str, Any]:
    return {"Name": name, "CreationDate": AT, "BucketRegion": region}


@pytest.fixture
def listed(console: Console) -> Console:
    """Somebody with three buckets, the first of them logged."""
    console.log_in()
    names = ("archive", "backups", "photos")
    console.s3.script["list_buckets"] = {"Buckets": [bucket(name) for name in names]}
    rules = {"archive": {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "a&b/"}}}
    console.s3.script["get_bucket_logging"] = lambda Bucket: rules.get(Bucket, {})
    return console


def names(text: str) -> list[str]:
    return re.findall(r'<a class="open" href="/buckets/([^"]+)"', text)


def test_the_page_has_the_names_at_once_and_asks_for_the_rest(listed: Console) -> None:
    text = listed.get("/buckets").text
    assert names(text) == ["archive", "backups", "photos"]
    assert 'hx-get="/buckets?page=1"' in text
    assert [operation for operation, _ in listed.s3.asked] == ["list_buckets"]


def test_the_rest_tells_of_logging_and_does_not_ask_again(listed: Console) -> None:
    text = listed.get("/buckets", htmx=True).text
    assert "<html" not in text
    assert "hx-trigger" not in text
    assert 'href="/buckets/logs?prefix=a%26b/"' in text
    assert "logs/a&amp;b/" in text
    assert text.count(">Off<") == 2
    assert text.count("Nothing yet") == 1


def test_a_bucket_that_may_not_be_read_is_not_guessed_at(listed: Console) -> None:
    listed.s3.script["get_bucket_logging"] = refusal("AccessDenied")
    text = listed.get("/buckets", htmx=True).text
    assert text.count("not known to you") == 3
    assert ">Off<" not in text


def test_a_server_that_fails_is_no_unknown_rule(listed: Console) -> None:
    listed.s3.script["get_bucket_logging"] = refusal("InternalError", 500)
    answer = listed.get("/buckets", htmx=True)
    assert answer.status_code == 500
    assert answer.headers["hx-reswap"] == "none"
    assert 'hx-swap-oob="beforeend:#toasts"' in answer.text
    assert "REQ0123456789" in answer.text


def test_how_delivery_goes_is_told_with_the_reason(listed: Console) -> None:
    rules = listed.parts.rules
    rules.delivered("archive", "a&b/x", 3, 1_700_000_000_000_000_000)
    assert "Delivering" in listed.get("/buckets", htmx=True).text
    rules.failed("archive", "AccessDenied: <no>", 1_800_000_000_000_000_000)
    text = listed.get("/buckets", htmx=True).text
    assert "Failing" in text
    assert 'title="AccessDenied: &lt;no&gt;"' in text
    rules.lost("archive", 5, "too long", 1_800_000_000_000_000_000)
    rules.delivered("archive", "a&b/y", 3, 1_900_000_000_000_000_000)
    assert "Records lost" in listed.get("/buckets", htmx=True).text


def test_what_a_bucket_holds_is_told_once_it_is_counted(
    listed: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "counting" in listed.get("/buckets", htmx=True).text

    async def counted(self: object, do: str) -> workers.Answer:
        assert do == "usage"
        return workers.Answer(usage={"photos": (1_234, 5_600_000)})

    monkeypatch.setattr(workers.Workers, "ask_any", counted)
    listed.parts.usage._fresh_until = 0
    text = listed.get("/buckets", htmx=True).text
    assert "1,234" in text
    assert "5.6 MB" in text
    assert text.count("0 B") == 2


def test_the_search_takes_any_part_of_a_name_in_any_case(listed: Console) -> None:
    assert names(listed.get("/buckets?q=CH").text) == ["archive"]
    assert names(listed.get("/buckets?q=+o").text) == ["photos"]
    none = listed.get("/buckets?q=%3Cb%3E", htmx=True).text
    assert "&lt;b&gt;" in none
    assert "<b>" not in none


def test_many_buckets_are_listed_in_pages(listed: Console) -> None:
    every = [bucket(f"bucket-{n:03}") for n in range(120)]

    def some(MaxBuckets: int, ContinuationToken: str = "0") -> dict[str, Any]:
        first = int(ContinuationToken)
        more = {"ContinuationToken": str(first + 70)} if first + 70 < len(every) else {}
        return {"Buckets": every[first : first + 70], **more}

    listed.s3.script["list_buckets"] = some
    assert len(names(listed.get("/buckets").text)) == buckets.PER_PAGE
    last = listed.get("/buckets?page=3")
    assert len(names(last.text)) == 30
    assert "Page 3 of 4" in last.text
    for odd in ("0", "-1", "99", "x", "1e9", "9" * 30, "²"):
        assert "of 4" in listed.get(f"/buckets?page={odd}").text
    listed.s3.asked.clear()
    listed.get("/buckets?page=3", htmx=True)
    assert sum(operation == "get_bucket_logging" for operation, _ in listed.s3.asked) == 30


def test_without_buckets_it_says_what_they_are_for(console: Console) -> None:
    console.log_in()
    text = console.get("/buckets").text
    assert "A bucket holds objects" in text
    assert 'type="search"' not in text


def test_a_bucket_is_made_as_wanted(console: Console) -> None:
    console.log_in()
    answer = console.post(
        "/buckets",
        htmx=True,
        name=" new-one ",
        region="eu-central-1",
        ownership="BucketOwnerPreferred",
    )
    assert answer.headers["hx-redirect"] == "/buckets/new-one"
    assert console.s3.asked == [
        (
            "create_bucket",
            {
                "Bucket": "new-one",
                "ObjectOwnership": "BucketOwnerPreferred",
                "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"},
            },
        )
    ]
    assert "new-one was made" in console.get("/buckets").text
    assert "new-one was made" not in console.get("/buckets").text


def test_what_the_form_does_not_offer_is_not_done(console: Console) -> None:
    console.log_in()
    console.post("/buckets", name="b-1", region="mars-1", ownership="Whoever")
    assert console.s3.asked == [("create_bucket", {"Bucket": "b-1"})]


@pytest.mark.parametrize(
    ("head", "create", "told"),
    [
        ({}, {}, "You already have a bucket of that name"),
        (refusal("403", 403), {}, "Somebody else has a bucket of that name"),
        (refusal("404", 404), refusal("InvalidBucketName", 400), "That is no name for a bucket"),
        (refusal("404", 404), refusal("BucketAlreadyExists", 409), "Somebody else has"),
    ],
)
def test_what_is_wrong_with_a_name_is_told_beside_it(
    console: Console, head: Any, create: Any, told: str
) -> None:
    console.log_in()
    console.s3.script |= {"head_bucket": head, "create_bucket": create}
    answer = console.post(
        "/buckets", htmx=True, name='<"x', region="us-east-1", ownership="BucketOwnerPreferred"
    )
    assert told in answer.text
    assert 'value="&lt;&#34;x"' in answer.text
    assert re.search(r'value="BucketOwnerPreferred" checked', answer.text)
    assert "hx-redirect" not in answer.headers


def test_another_failure_is_a_toast_and_keeps_the_form(console: Console) -> None:
    console.log_in()
    console.s3.script |= {"create_bucket": refusal("AccessDenied")}
    answer = console.post("/buckets", htmx=True, name="abc", region="eu-central-1")
    assert answer.status_code == 403
    assert answer.headers["hx-reswap"] == "none"
    assert "Your key may not do this" in answer.text


def test_only_an_empty_bucket_can_be_deleted_and_only_by_its_name(console: Console) -> None:
    console.log_in()
    console.s3.script["list_objects_v2"] = {"KeyCount": 1}
    assert "it holds objects" in console.get("/buckets/b/delete", htmx=True).text
    console.s3.script["list_objects_v2"] = {"KeyCount": 0}
    console.s3.script["list_multipart_uploads"] = {"Uploads": [{}]}
    assert "unfinished uploads" in console.get("/buckets/b/delete", htmx=True).text
    console.s3.script["list_multipart_uploads"] = {}
    assert 'data-confirms="b"' in console.get("/buckets/b/delete", htmx=True).text
    console.s3.asked.clear()
    for typed in ("", "B", "bb"):
        assert console.post("/buckets/b/delete", htmx=True, confirmed=typed).status_code == 400
    assert console.s3.asked == []
    answer = console.post("/buckets/b/delete", htmx=True, confirmed="b")
    assert answer.headers["hx-redirect"] == "/buckets"
    assert console.s3.asked == [("delete_bucket", {"Bucket": "b"})]


def test_who_looks_at_a_bucket_that_is_not_there_is_told(console: Console) -> None:
    console.log_in()
    console.s3.script["head_bucket"] = refusal("404", 404, "Not Found", "HeadBucket")
    answer = console.get("/buckets/%3Cb%3Egone/delivery")
    assert answer.status_code == 404
    assert "There is no such bucket" in answer.text
    assert "NoSuchBucket" in answer.text
    assert "&lt;b&gt;gone" in answer.text
    assert "<b>gone" not in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/buckets/", "/buckets/a/b/c/d"])
def test_what_is_not_there_is_a_page_too(console: Console, path: str) -> None:
    console.log_in()
    answer = console.get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert 'aria-label="Main"' in answer.text


def test_everybody_finds_every_place(console: Console) -> None:
    """What a place shows is for it to say: others see their own keys and buckets there."""
    for operator in (False, True):
        console.log_in(operator=operator)
        text = console.get("/buckets").text
        for place in ("/buckets", "/insights", "/accounts", "/health"):
            assert f'href="{place}"' in text


def test_while_it_is_being_counted_the_page_asks_again(
    listed: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def counting(self: object, do: str) -> workers.Answer:
        await asyncio.sleep(0.2)
        return workers.Answer(usage={"photos": (77, 5)})

    monkeypatch.setattr(workers.Workers, "ask_any", counting)
    assert 'hx-trigger="load delay:1s"' in listed.get("/buckets", htmx=True).text
    listed.client.portal.call(asyncio.wait, [listed.parts.usage._counting])  # type: ignore[union-attr]
    text = listed.get("/buckets", htmx=True).text
    assert "hx-trigger" not in text
    assert ">77<" in text
