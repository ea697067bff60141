"""A Handler that answers from a list and keeps its Calls, and a Catalog that is two dicts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from bucketlog.s3.model import Bucket, Call, ObjectAccess, Reply

Answer = Reply | Exception | Callable[[Call], Awaitable[Reply]]


class Scripted:
    """Gives one answer a call, in order: a Reply, an exception to raise, or a function to await.

    Without answers left it replies 200, with nothing.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        answer = self.answers.pop(0) if self.answers else Reply(200)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else await answer(call)


class Shelf:
    """A Catalog of the buckets it is given; `objects` by bucket and key."""

    def __init__(self, buckets: Iterable[Bucket] = ()) -> None:
        self.buckets = {bucket.name: bucket for bucket in buckets}
        self.objects: dict[tuple[str, str], ObjectAccess] = {}

    def bucket(self, name: str) -> Bucket | None:
        return self.buckets.get(name)

    def object_access(self, bucket: str, key: str, version_id: str | None) -> ObjectAccess | None:
        return self.objects.get((bucket, key))
