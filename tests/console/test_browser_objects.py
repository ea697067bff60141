"""Objects in a real browser against a real server: upload, download, odd names, links, deletion."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Page, expect
from tests.support.browser import look, settle
from tests.support.server import Server

pytestmark = pytest.mark.browser

ODD = (
    " lead",
    "a%2Fb",
    "x+y z",
    "a&b=c?#",
    "dots/../up",
    "/lead",
    "new\nline",
    "<b>\"'",
    "ü\u202e",
)


def bucket(served: Server, name: str) -> str:
    served.client().create_bucket(Bucket=name)
    return name


def content(served: Server, name: str, key: str) -> bytes:
    data: bytes = served.client().get_object(Bucket=name, Key=key)["Body"].read()
    return data


def drop(page: Page, files: dict[str, str]) -> None:
    """Drops files on the page as the desktop does."""
    page.evaluate(
        """(files) => {
          const held = new DataTransfer();
          for (const [name, text] of Object.entries(files)) held.items.add(new File([text], name));
          for (const type of ["dragenter", "dragover", "drop"])
            document.querySelector("#main").dispatchEvent(
              new DragEvent(type, { dataTransfer: held, bubbles: true, cancelable: true }));
        }""",
        files,
    )


def test_files_are_uploaded_by_dropping_them(page: Page, served: Server) -> None:
    name = bucket(served, "dropped")
    page.goto(f"/buckets/{name}")
    look(page, "objects-none")
    drop(page, {"one.txt": "first", "two words.css": "second", "ü%.html": "<script>1</script>"})
    told = page.locator("[data-uploads-told]")
    expect(told).to_have_text("3 of 3 uploaded")
    expect(page.get_by_role("link", name="two words.css", exact=True)).to_be_visible()
    assert content(served, name, "two words.css") == b"second"
    head = served.client().head_object(Bucket=name, Key="ü%.html")
    assert head["ContentType"] == "text/html"
    look(page, "objects-uploaded")
    page.get_by_role("button", name="Close", exact=True).click()
    drop(page, {"one.txt": "changed", "new.txt": "new"})
    dialog = page.get_by_role("dialog", name="Some are there already")
    expect(dialog).to_contain_text("1 of 2 files")
    look(page, "objects-overwrite")
    dialog.get_by_role("button", name="Keep those").click()
    expect(told).to_have_text("1 of 1 uploaded")
    assert content(served, name, "one.txt") == b"first"
    page.get_by_role("button", name="Close", exact=True).click()
    drop(page, {"one.txt": "changed"})
    dialog.get_by_role("button", name="Replace").click()
    expect(told).to_have_text("1 of 1 uploaded")
    assert content(served, name, "one.txt") == b"changed"


def test_a_large_file_goes_in_parts_with_progress_and_comes_back_the_same(
    page: Page, served: Server, tmp_path: Path
) -> None:
    name = bucket(served, "large")
    data = bytes(range(256)) * (25 << 12)
    (tmp_path / "large.bin").write_bytes(data)
    page.goto(f"/buckets/{name}?prefix=in%2F")
    page.get_by_label("Upload files").set_input_files(tmp_path / "large.bin")
    expect(page.locator(".upload-told")).to_contain_text("uploaded")
    assert page.locator(".upload progress").evaluate("(bar) => bar.value") == 1
    etag = served.client().head_object(Bucket=name, Key="in/large.bin")["ETag"]
    assert etag.endswith('-4"')
    with page.expect_download() as download:
        page.get_by_role("link", name="Download large.bin").click()
    assert download.value.suggested_filename == "large.bin"
    assert Path(download.value.path()).read_bytes() == data


def test_an_upload_can_be_cancelled_and_leaves_nothing(
    page: Page, served: Server, tmp_path: Path
) -> None:
    name = bucket(served, "cancelled")
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(2 << 30)
    page.goto(f"/buckets/{name}")
    page.get_by_label("Upload files").set_input_files(tmp_path / "huge.bin")
    expect(page.locator('[data-state="goes"]')).to_contain_text("/s")
    page.get_by_role("button", name="Cancel huge.bin").click()
    expect(page.locator(".upload-told")).to_have_text("cancelled")
    s3 = served.client()
    for _ in range(500):
        if not s3.list_multipart_uploads(Bucket=name).get("Uploads"):
            break
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=name)
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0


def test_a_folder_is_uploaded_with_what_is_in_it(
    page: Page, served: Server, tmp_path: Path
) -> None:
    name = bucket(served, "foldered")
    (tmp_path / "album" / "deep").mkdir(parents=True)
    (tmp_path / "album" / "a.txt").write_text("a")
    (tmp_path / "album" / "deep" / "b.txt").write_text("b")
    page.goto(f"/buckets/{name}")
    page.get_by_label("Upload a folder").set_input_files(tmp_path / "album")
    expect(page.locator("[data-uploads-told]")).to_have_text("2 of 2 uploaded")
    assert content(served, name, "album/deep/b.txt") == b"b"
    page.get_by_role("link", name="album/").click()
    page.get_by_role("link", name="deep/").click()
    expect(page.get_by_role("link", name="b.txt", exact=True)).to_be_visible()


@pytest.mark.parametrize("key", ODD)
def test_an_odd_name_is_shown_downloaded_and_deleted(page: Page, served: Server, key: str) -> None:
    s3 = served.client()
    name = f"odd-{ODD.index(key)}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key=key, Body=key.encode())
    page.goto(f"/buckets/{name}")
    while (folder := page.locator(".of-folder-row a.open")).count():
        folder.first.click()
        settle(page)
    page.locator("a.open").click()
    page.wait_for_url("**/objects/details**")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == key.encode()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    page.wait_for_url(f"**/buckets/{name}**")
    expect(page.locator(".toast")).to_contain_text("1 object was deleted")
    with pytest.raises(ClientError):
        s3.head_object(Bucket=name, Key=key)


def test_an_object_is_shared_by_a_link_for_a_time(page: Page, served: Server) -> None:
    name = bucket(served, "shared")
    served.client().put_object(
        Bucket=name, Key="a b+c%/ü.txt", Body=b"for you", Metadata={"who": "me"}
    )
    page.goto(f"/buckets/{name}/objects/details?key=a%20b%2Bc%25/ü.txt")
    expect(page.get_by_text("x-amz-meta-who")).to_be_visible()
    page.get_by_text("5 minutes").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_text("Good until")).to_be_visible()
    look(page, "object")
    page.get_by_role("button", name="Copy the link").click()
    expect(page.locator(".toast")).to_contain_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "X-Amz-Expires=300" in link
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"for you"


def test_several_objects_and_a_folder_are_deleted_once_that_is_confirmed(
    page: Page, served: Server
) -> None:
    name = bucket(served, "deleted")
    s3 = served.client()
    for key in ("a", "b", "c", "f/1", "f/2"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    page.goto(f"/buckets/{name}")
    bar = page.locator("[data-selection-bar]")
    expect(bar).to_be_hidden()
    for key in ("a", "b", "f/"):
        page.get_by_role("checkbox", name=f"Select {key}", exact=True).check()
    expect(bar).to_contain_text("3 selected")
    bar.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete")
    expect(dialog).to_contain_text("4 objects")
    go = dialog.get_by_role("button", name="Delete", exact=True)
    expect(go).to_be_disabled()
    look(page, "objects-delete")
    dialog.get_by_label("Type delete to confirm").fill("delete")
    go.click()
    expect(page.locator(".toast")).to_contain_text("4 objects were deleted")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=name)["Contents"]] == ["c"]


def test_folders_are_made_searched_and_paged_through(page: Page, served: Server) -> None:
    name = bucket(served, "paged")
    s3 = served.client()
    for number in range(230):
        s3.put_object(Bucket=name, Key=f"n/{number:03}", Body=b"x")
    page.goto(f"/buckets/{name}")
    page.get_by_role("button", name="Create folder").click()
    dialog = page.get_by_role("dialog", name="Create folder")
    dialog.get_by_label("Name").fill("n")
    dialog.get_by_role("button", name="Create folder").click()
    page.wait_for_url("**?prefix=n%2F")
    expect(page.get_by_text("99 on this page")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("31 on this page")).to_be_visible()
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_role("link", name="100", exact=True)).to_be_visible()
    look(page, "objects-paged")
    page.keyboard.press("/")
    page.keyboard.type("22")
    expect(page.locator("tbody tr")).to_have_count(10)
    expect(page).to_have_url(f"{served.console}/buckets/{name}?prefix=n%2F&q=22")
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(10)


def test_the_list_looks_right_with_all_kinds_of_things_in_it(page: Page, served: Server) -> None:
    name = bucket(served, "kinds")
    s3 = served.client()
    for key in ("album/1", "logs/1", "report.pdf", "2026-11-22-19-40-14-0123456789ABCDEF", *ODD):
        s3.put_object(Bucket=name, Key=key, Body=b"x" * 12_345)
    page.goto(f"/buckets/{name}")
    page.get_by_role("checkbox", name="Select report.pdf").check()
    look(page, "objects")
    page.get_by_role("link", name="All versions").click()
    expect(page.get_by_text("Every version here is")).to_be_visible()
    look(page, "objects-versions")
