"""Bucket policies: the document's grammar, and what it says of one request.

A document is checked as S3 checks it and compiled when it is put or first loaded; after that a
decision costs a few set and pattern look-ups. It says "allow", "deny" or nothing: what follows
from that is `access`'s business. AWS pages: "Grammar of the IAM JSON policy language", "Policies
and permissions in Amazon S3"; refusals are `MalformedPolicy` in S3's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, cast

from bucketlog.s3 import policy_conditions, policy_context, policy_publicity, wildcards
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Caller
from bucketlog.s3.policy_actions import ACTIONS, BUCKET_ACTIONS, KEY_ACTIONS, OBJECT_ACTIONS
from bucketlog.s3.policy_conditions import Predicate, Test
from bucketlog.s3.policy_context import Question
from bucketlog.s3.wildcards import Lookup

MAX_BYTES: Final = 20 * 1024  # of the document without needless blanks

Verdict = Literal["allow", "deny"]

_VERSIONS: Final = ("2008-10-17", "2012-10-17")
_FIELDS: Final = frozenset({"Version", "Id", "Statement"})
_PAIRS: Final = ("Principal", "Action", "Resource")
_STATEMENT_FIELDS: Final = frozenset(
    {"Sid", "Effect", "Condition", *_PAIRS, *(f"Not{name}" for name in _PAIRS)}
)
_ARN: Final = "arn:aws:s3:::"
_ACCOUNT: Final = re.compile(r"\d{12}")
_PRINCIPAL_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:(?:iam::(\d{12}):(root|(?:user|role)/[^*?]+)"
    r"|sts::\d{12}:(?:assumed-role|federated-user)/[^*?]+"
    r"|iam::cloudfront:user/[^*?]+)"
)
_CANONICAL_ID: Final = re.compile(r"[0-9a-f]{64}")
_KNOWABLE: Final = ("AWS", "CanonicalUser")
_SERVICE: Final = re.compile(r"[a-z0-9][a-z0-9.-]*\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True, slots=True)
class Principals:
    """Whom a statement is about.

    `listed` holds account ids, user ARNs, canonical ids and service names. A federated user or a
    role is accepted in a document and matches nobody here.
    """

    everyone: bool
    listed: frozenset[str]
    negated: bool

    def include(self, caller: Caller) -> bool:
        """Whether the statement is about this caller."""
        if self.negated:
            return not self._exempt(caller)
        if self.everyone:
            return True
        listed = self.listed
        account = caller.account
        if account is None:
            return caller.service in listed
        return (
            account.account_id in listed
            or account.canonical_id in listed
            or caller.user_arn in listed
        )

    def _exempt(self, caller: Caller) -> bool:
        # NotPrincipal spares a user only when both the user and the account are named: "you must
        # also specify the account ARN of the not-denied principal".
        if self.everyone:
            return True
        account = caller.account
        if account is None:
            return caller.service in self.listed
        named = account.account_id in self.listed or account.canonical_id in self.listed
        return named and (caller.user_arn is None or caller.user_arn in self.listed)


@dataclass(frozen=True, slots=True)
class Statement:
    """One compiled statement. `number` counts from 1, as it stands in the document."""

    number: int
    sid: str | None
    effect: Verdict
    principals: Principals
    is_public: bool
    action_names: frozenset[str]  # lower case, no wildcards
    action_pattern: re.Pattern[str] | None
    not_action: bool
    resources: Test  # over "bucket" or "bucket/key"
    not_resource: bool
    conditions: tuple[Predicate, ...]

    def covers(self, action: str) -> bool:
        """Whether it is about an action, given in lower case."""
        named = action in self.action_names or (
            self.action_pattern is not None and self.action_pattern.fullmatch(action) is not None
        )
        return named is not self.not_action

    def reaches(self, resource: str, lookup: Lookup) -> bool:
        """Whether it is about a resource: "bucket" or "bucket/key"."""
        return self.resources(resource, lookup) is not self.not_resource

    def applies(self, question: Question, action: str, resource: str) -> bool:
        """Whether all its elements fit; `action` is in lower case."""
        if not self.covers(action) or not self.principals.include(question.caller):
            return False
        lookup = question.lookup
        if self.resources(resource, lookup) is self.not_resource:
            return False
        for holds in self.conditions:  # noqa: SIM110  (a generator costs more than most conditions)
            if not holds(lookup):
                return False
        return True

    @property
    def label(self) -> str:
        """How to name it to people: its Sid, or its number."""
        return f'"{self.sid}"' if self.sid else f"number {self.number}"


@dataclass(frozen=True, slots=True)
class Policy:
    """A bucket's policy, compiled. `statements` has those that deny before those that allow."""

    bucket: str
    version: str
    statements: tuple[Statement, ...]

    def decisive(self, question: Question) -> Statement | None:
        """The statement that decides: the first that denies, else the first that allows."""
        action = question.action.lower()
        key = question.key
        resource = self.bucket if key is None else f"{self.bucket}/{key}"
        for statement in self.statements:
            if statement.applies(question, action, resource):
                return statement
        return None

    def evaluate(self, question: Question) -> Verdict | None:
        """What the policy says: "deny" if any statement does, else "allow" if any does."""
        statement = self.decisive(question)
        return None if statement is None else statement.effect


def is_public(policy: Policy) -> bool:
    """Whether S3 calls the policy public: it allows somebody not named by fixed values."""
    return any(statement.is_public for statement in policy.statements)


def parse(text: bytes | str, bucket: str, *, known: Callable[[str], bool] | None = None) -> Policy:
    """The policy of a bucket, checked and compiled.

    `known`, where given, says whether an account id, user ARN or canonical id that is named as a
    principal exists; S3 refuses those that don't. Raises `MalformedPolicy`.
    """
    document = _load(text)
    for name in document:
        if name not in _FIELDS:
            _refuse(f"Unknown field {name}")
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        _refuse("The policy must contain a valid version string")
    if not isinstance(document.get("Id", ""), str):
        _refuse("Invalid policy syntax.")
    if "Statement" not in document:
        _refuse("Missing required field Statement")
    listed = document["Statement"]
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list):
        _refuse("Invalid policy syntax.")
    if not listed:
        _refuse("Could not parse the policy: Statement is empty!")
    variables = version == _VERSIONS[1]
    statements = [
        _statement(number, element, bucket, variables, known)
        for number, element in enumerate(listed, 1)
    ]
    statements.sort(key=lambda statement: statement.effect != "deny")
    return Policy(bucket, version, tuple(statements))


# ── the document ────────────────────────────────────────────────────────────────────────────────


def _refuse(message: str, **detail: str) -> NoReturn:
    raise S3Error("MalformedPolicy", message, **detail)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are Python's, not JSON's


def _load(text: bytes | str) -> dict[str, Any]:
    try:
        if isinstance(text, bytes):
            text = text.decode()
        text.encode()  # a lone surrogate can't be sent back
    except UnicodeError:
        _refuse("This policy contains invalid Json")
    if not text.startswith("{"):
        _refuse("Policies must be valid JSON and the first byte must be '{'")
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        compact = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        _refuse("This policy contains invalid Json")
    if len(compact) > MAX_BYTES:
        _refuse("Policy exceeds the maximum allowed document size.")
    assert isinstance(document, dict)
    return document


def _statement(
    number: int,
    element: object,
    bucket: str,
    variables: bool,
    known: Callable[[str], bool] | None,
) -> Statement:
    if not isinstance(element, dict):
        _refuse("Invalid policy syntax.")
    for name in element:
        if name not in _STATEMENT_FIELDS:
            _refuse(f"Unknown field {name}")
    sid = element.get("Sid")
    if sid is not None and not isinstance(sid, str):
        _refuse("Invalid policy syntax.")
    if "Effect" not in element:
        _refuse("Missing required field Effect")
    effect = element["Effect"]
    if effect not in ("Allow", "Deny"):
        _refuse(f"Invalid effect: {effect}")
    principals = _principals(element, known)
    not_action, actions = _either(element, "Action")
    not_resource, resources = _either(element, "Resource")
    names, pattern, covered = _actions(actions)
    patterns = [_resource(text, bucket, variables) for text in resources]
    if not not_action and not not_resource:
        _check_levels(covered, patterns, bucket)
    conditions = _conditions(element.get("Condition", {}))
    if not not_action:
        _check_keys(covered, [key for _, key, _ in conditions])
    return Statement(
        number=number,
        sid=sid or None,
        effect="allow" if effect == "Allow" else "deny",
        principals=principals,
        is_public=effect == "Allow"
        and (principals.everyone or principals.negated)
        and not policy_publicity.is_narrowed(conditions),
        action_names=names,
        action_pattern=pattern,
        not_action=not_action,
        resources=policy_conditions.matcher(patterns),
        not_resource=not_resource,
        conditions=tuple(
            policy_conditions.predicate(how, key, values, variables=variables)
            for how, key, values in conditions
        ),
    )


def _either(element: dict[str, Any], name: str) -> tuple[bool, list[str]]:
    """An element or its "Not" twin, exactly one of which must be there, as a list."""
    twin = f"Not{name}"
    if name not in element and twin not in element:
        _refuse(f"Missing required field {name}")
    if name in element and twin in element:
        _refuse("Invalid policy syntax.")
    negated = twin in element
    listed = _strings(element[twin if negated else name])
    if not listed:
        _refuse(f"Missing required field {name}")
    return negated, listed


def _strings(value: object) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in listed):
        _refuse("Invalid policy syntax.")
    return cast("list[str]", listed)


# ── principals ──────────────────────────────────────────────────────────────────────────────────


def _principals(element: dict[str, Any], known: Callable[[str], bool] | None) -> Principals:
    if "Principal" not in element and "NotPrincipal" not in element:
        _refuse("Missing required field Principal")
    if "Principal" in element and "NotPrincipal" in element:
        _refuse("Invalid policy syntax.")
    negated = "NotPrincipal" in element
    value = element["NotPrincipal" if negated else "Principal"]
    if value == "*":
        return Principals(True, frozenset(), negated)
    if not isinstance(value, dict) or not value:
        _refuse("Invalid principal in policy")
    everyone = False
    listed: set[str] = set()
    for kind, names in value.items():
        for name in _strings(names) or [""]:
            if kind == "AWS" and name == "*":
                everyone = True
                continue
            token = _principal(kind, name)
            if token is None or (known is not None and kind in _KNOWABLE and not known(token)):
                _refuse("Invalid principal in policy", Detail=f'"{kind}" : "{name}"')
            listed.add(token)
    return Principals(everyone, frozenset(listed), negated)


def _principal(kind: str, name: str) -> str | None:
    """What a caller's identities are compared with; None for what is no principal."""
    if kind == "AWS":
        if _ACCOUNT.fullmatch(name):
            return name
        found = _PRINCIPAL_ARN.fullmatch(name)
        if found is None:
            return None
        return str(found[1]) if found[2] == "root" else name
    if kind == "CanonicalUser":
        return name if _CANONICAL_ID.fullmatch(name) else None
    if kind == "Service":
        return name if _SERVICE.fullmatch(name) else None
    # Prefixed, so that no identity a caller can have equals it.
    return f"federated:{name}" if kind == "Federated" and name else None


# ── actions and resources ───────────────────────────────────────────────────────────────────────


def _actions(
    listed: Sequence[str],
) -> tuple[frozenset[str], re.Pattern[str] | None, list[frozenset[str]]]:
    """Names, pattern for those with wildcards, and for each entry the actions it covers."""
    names = set()
    sources = []
    covered = []
    for text in listed:
        lower = text.lower()
        parts = wildcards.split(lower)
        if len(parts) == 1 and isinstance(parts[0], str):
            names.add(lower)
            found = frozenset(action for action in ACTIONS if action.lower() == lower)
        else:
            sources.append(wildcards.source(parts))
            match = wildcards.compiled(sources[-1]).fullmatch
            found = frozenset(action for action in ACTIONS if match(action.lower()))
        if not found:
            _refuse("Policy has invalid action")
        covered.append(found)
    joined = "|".join(f"(?:{each})" for each in sources)
    return frozenset(names), re.compile(joined, re.DOTALL) if sources else None, covered


def _resource(text: str, bucket: str, variables: bool) -> tuple[wildcards.Part, ...]:
    """The pattern behind `arn:aws:s3:::`, which must be of this bucket or what is in it."""
    if not text.startswith(_ARN):
        _refuse("Policy has invalid resource")
    parts = wildcards.split(text.removeprefix(_ARN), variables=variables)
    if parts and isinstance(parts[0], str):
        head, slash, _ = parts[0].partition("/")
        if head == bucket and (slash or len(parts) == 1 or parts[1] is wildcards.Wild.ANY):
            return parts
        wild = wildcards.split(text.removeprefix(_ARN).partition("/")[0])
        if not slash and wildcards.compiled(wildcards.source(wild)).fullmatch(bucket):
            return parts
    _refuse("Policy has invalid resource")


def _check_levels(
    covered: Sequence[frozenset[str]],
    patterns: Sequence[tuple[wildcards.Part, ...]],
    bucket: str,
) -> None:
    """Each action must have a resource it can apply to: the bucket, or objects in it."""
    on_bucket = False
    on_objects = False
    for parts in patterns:
        text = parts[0]
        if wildcards.has_variables(parts) or str(text).startswith(f"{bucket}/"):
            on_objects = True  # variables stand only behind the bucket's name
            continue
        if wildcards.compiled(wildcards.source(parts)).fullmatch(bucket):
            on_bucket = True
        on_objects = on_objects or any(
            part is wildcards.Wild.ANY or (isinstance(part, str) and "/" in part) for part in parts
        )
    for actions in covered:
        if not (
            (on_bucket and not BUCKET_ACTIONS.isdisjoint(actions))
            or (on_objects and not OBJECT_ACTIONS.isdisjoint(actions))
        ):
            _refuse("Action does not apply to any resource(s) in statement")


# ── conditions ──────────────────────────────────────────────────────────────────────────────────


def _conditions(
    block: object,
) -> list[tuple[policy_conditions.Operator, str, list[str]]]:
    """Operator, lower-case key and values of each condition."""
    if not isinstance(block, dict):
        _refuse("Invalid policy syntax.")
    found = []
    for name, pairs in block.items():
        how = policy_conditions.operator(name)
        if not isinstance(pairs, dict):
            _refuse("Invalid policy syntax.")
        for key, values in pairs.items():
            if not policy_context.is_known(key.lower()):
                _refuse("Policy has an invalid condition key")
            listed = values if isinstance(values, list) else [values]
            found.append((how, key.lower(), [_scalar(value) for value in listed]))
    return found


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    _refuse("Invalid policy syntax.")


def _check_keys(covered: Sequence[frozenset[str]], keys: Sequence[str]) -> None:
    for key in keys:
        having = KEY_ACTIONS.get(key)
        if having is not None and any(having.isdisjoint(actions) for actions in covered):
            _refuse("Conditions do not apply to combination of actions and resources in statement")
