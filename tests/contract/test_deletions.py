"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from xml.sax.saxutils import escape

from tests.support.calls import Client

from bucketlog.s3.model import Decision, Deleted


def document(*keys: str, quiet: bool = False, extra: str = "") -> bytes:
    objects = "".join(f"<Object><Key>{escape(key)}</Key>{extra}</Object>" for key in keys)
    return f"<Delete>{objects}<Quiet>{str(quiet).lower()}</Quiet></Delete>".encode()


async def test_a_delete_is_answered_204_whether_or_not_there_was_one(owner: Client) -> None:
    await owner.put("bucket", "k", b"123")
    gone = await owner.send("DELETE", "/bucket/k")
    assert (gone.status, gone.reply.facts.object_size) == (204, 3)
    assert (await owner.refused("GET", "/bucket/k")).code == "NoSuchKey"
    again = await owner.send("DELETE", "/bucket/k")
    assert (again.status, again.reply.facts.object_size) == (204, None)


async def test_a_delete_may_depend_on_what_is_there(owner: Client) -> None:
    put = await owner.put("bucket", "k", b"123")
    error = await owner.refused("DELETE", "/bucket/k", {"if-match": '"other"'})
    assert error.code == "PreconditionFailed"
    await owner.send("DELETE", "/bucket/k", {"if-match": put.etag})
    assert (await owner.refused("GET", "/bucket/k")).code == "NoSuchKey"


async def test_the_null_version_can_be_deleted_and_no_other(owner: Client) -> None:
    await owner.put("bucket", "k")
    other = "3HL4kqtJvjVBH40Nrjfkd3HL4kqtJvjV"
    assert (await owner.send("DELETE", f"/bucket/k?versionId={other}")).status == 204
    assert (await owner.get("bucket", "k")).status == 200
    assert (await owner.refused("DELETE", "/bucket/k?versionId=odd")).code == "InvalidArgument"
    assert (await owner.send("DELETE", "/bucket/k?versionId=null")).status == 204
    assert (await owner.refused("GET", "/bucket/k")).code == "NoSuchKey"


async def test_a_batch_tells_of_each_key_in_the_order_asked(owner: Client) -> None:
    await owner.put("bucket", "b", b"12")
    await owner.put("bucket", "a<&>", b"1")
    answer = await owner.send("POST", "/bucket?delete", body=document("b", "none", "a<&>", "b"))
    assert answer.texts("Deleted/Key") == ["b", "none", "a<&>", "b"]
    assert answer.reply.facts.deleted == (
        Deleted("b", object_size=2),
        Deleted("none"),
        Deleted("a<&>", object_size=1),
        Deleted("b"),
    )
    assert (await owner.list("bucket")).texts("Contents/Key") == []


async def test_a_quiet_batch_tells_of_errors_only(owner: Client) -> None:
    await owner.put("bucket", "a")
    await owner.put("bucket", "b")
    asked: list[tuple[str, str | None]] = []

    def authorize(key: str, version_id: str | None) -> Decision:
        asked.append((key, version_id))
        return Decision(key != "b", acl_required=key == "a")

    careful = owner.as_(owner.caller, authorize=authorize)
    answer = await careful.send("POST", "/bucket?delete", body=document("a", "b", quiet=True))
    assert asked == [("a", None), ("b", None)]
    assert answer.texts("Deleted/Key") == []
    assert answer.texts("Error/Key") == ["b"]
    assert answer.texts("Error/Code") == ["AccessDenied"]
    assert answer.reply.facts.deleted == (
        Deleted("a", object_size=0, acl_required=True),
        Deleted("b", status=403, error_code="AccessDenied"),
    )
    assert (await owner.list("bucket")).texts("Contents/Key") == ["b"]


async def test_a_key_of_a_batch_may_depend_on_its_etag(owner: Client) -> None:
    await owner.put("bucket", "k")
    answer = await owner.send(
        "POST", "/bucket?delete", body=document("k", extra="<ETag>other</ETag>")
    )
    assert answer.texts("Error/Code") == ["PreconditionFailed"]
    assert (await owner.get("bucket", "k")).status == 200


async def test_a_batch_of_a_thousand_is_the_most(owner: Client) -> None:
    keys = [str(number) for number in range(1001)]
    assert (await owner.refused("POST", "/bucket?delete", body=document(*keys))).code == (
        "MalformedXML"
    )
    answer = await owner.send("POST", "/bucket?delete", body=document(*keys[:1000]))
    assert len(answer.reply.facts.deleted) == 1000
    assert (await owner.refused("POST", "/bucket?delete", body=document())).code == "MalformedXML"
    assert (await owner.refused("POST", "/bucket?delete", body=b"<Delete")).code == "MalformedXML"
