"""Who may sign, as the page Accounts shows it: accounts, in them the root and users, their keys.

Reads `bucketlog.state.accounts`; blocks. Secrets are never in what this gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bucketlog.s3.model import Credential
from bucketlog.state.accounts import Account, Accounts, Key, arn_of


@dataclass(frozen=True, slots=True)
class Signer:
    """A user of an account, or its root (`user` None). `created_at` is in ns."""

    user: str | None
    arn: str
    created_at: int
    keys: tuple[Key, ...]

    def has(self, text: str) -> bool:
        """Whether a text (lower case) is in its name or an access key."""
        names = (self.user or "root", *(key.access_key for key in self.keys))
        return any(text in name.lower() for name in names)


@dataclass(frozen=True, slots=True)
class Group:
    """An account with those who sign for it, its root first."""

    account: Account
    signers: tuple[Signer, ...]

    def has(self, text: str) -> bool:
        """Whether a text (lower case) is in the account's name or ids."""
        owner = self.account.owner
        return any(text in each for each in (owner.name.lower(), owner.account_id)) or (
            len(text) > 7 and text in owner.canonical_id
        )


def groups(accounts: Accounts, query: str = "") -> list[Group]:
    """All accounts, the root account first; with `query`, those that have it in a name or key."""
    keys: dict[tuple[str, str | None], list[Key]] = {}
    for key in accounts.keys():  # noqa: SIM118 (no dictionary)
        keys.setdefault((key.account.account_id, key.user_name), []).append(key)
    signers: dict[str, list[Signer]] = {}
    found = sorted(accounts.accounts(), key=lambda each: (not each.is_root, each.owner.name))
    for account in found:
        account_id = account.owner.account_id
        root = Signer(
            None, account.arn, account.created_at, tuple(keys.get((account_id, None), ()))
        )
        signers[account_id] = [root]
    for user in accounts.users():
        account_id = user.account.account_id
        # Of an account made between the two questions; the next look shows it.
        signers.setdefault(account_id, []).append(
            Signer(
                user.name, user.arn, user.created_at, tuple(keys.get((account_id, user.name), ()))
            )
        )
    whole = (Group(each, tuple(signers[each.owner.account_id])) for each in found)
    return list(_matching(whole, query.lower()))


def _matching(found: Iterator[Group], query: str) -> Iterator[Group]:
    for group in found:
        if group.has(query):
            yield group
        else:
            signers = tuple(each for each in group.signers if each.has(query))
            if signers:
                yield Group(group.account, signers)


def own_keys(accounts: Accounts, who: Credential) -> list[Key]:
    """The keys of whoever a credential speaks for: of that user, or of that account's root."""
    user = user_of(who)
    return [key for key in accounts.keys(who.account.account_id) if key.user_name == user]


def user_of(who: Credential) -> str | None:
    """The name of the user that a credential speaks for; None for an account's root."""
    if who.user_arn is None:
        return None
    return who.user_arn.removeprefix(arn_of(who.account.account_id, ""))


def name_of(who: Credential) -> str:
    """What to call whom a credential speaks for: the user, or the account."""
    return user_of(who) or who.account.name


def profile(who: Credential, *, endpoint: str, region: str) -> str:
    """A profile for ~/.aws/credentials, which the AWS CLI and SDKs read.

    Source: "Configuration and credential file settings", AWS CLI User Guide.
    """
    return (
        f"[{profile_name(who)}]\n"
        f"aws_access_key_id = {who.access_key}\n"
        f"aws_secret_access_key = {who.secret_key}\n"
        f"region = {region}\n"
        f"endpoint_url = {endpoint}\n"
    )


def profile_name(who: Credential) -> str:
    """What its profile is called: letters, digits and what needs no quoting anywhere."""
    name = name_of(who)
    return "".join(each if each.isalnum() or each in "._-" else "-" for each in name)
