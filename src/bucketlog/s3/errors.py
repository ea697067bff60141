"""TABLE 2: every S3 error code, its status and message; `S3Error`, which is an answer.

One exception type for all codes: the row gives status and message, `detail` becomes extra
elements of the XML document (`<BucketName>`, `<TargetBucket>`...), in the order given.
"""

from __future__ import annotations


class S3Error(Exception):
    """A client's mistake, or a refusal, in Amazon's words.

    `code` is a row of the table; `message` overrides the row's; `detail` values become elements
    of the error document, named as given.
    """

    def __init__(self, code: str, message: str | None = None, **detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.detail = detail
