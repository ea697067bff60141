"""What an operator can put right: a message that says what is wrong, a hint that says what to do.

A client's mistake is an `S3Error`; a bug is any other exception. Only a `Problem` ends as two
lines on stderr and exit code 1.
"""


class Problem(Exception):
    """Something the person who runs bucketlog can put right.

    `message` is one sentence that says what is wrong, naming the path, address or name concerned.
    `hint` is what to run or change next, or None where nothing can be suggested.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsProblem(Problem):
    """A setting that is unknown, malformed, or contradicts another."""


class SpoolProblem(Problem):
    """The spool can't be opened, written or read."""


class DeliveryProblem(Problem):
    """Log objects can't be delivered."""


class StateProblem(Problem):
    """Accounts, keys or rules can't be read or changed as asked."""
