"""SHELL (Kafka, files). Makes the users of `deploy.kafka.access`: SCRAM passwords out of files, and ACLs of the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, not declared
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from deploy.kafka.access import User
from schemas.rights import Right

TIMEOUT_S = 30.0
ITERATIONS = 8192
"""Of the stored credentials. Kafka takes 4096 to 16384; our choice."""
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Create": AclOperation.CREATE,
}
_KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


class GrantError(RuntimeError):
    """The users could not be made; the text says why."""


@dataclass(frozen=True)
class Granted:
    """What `grant` did: users with a new password, ACLs made, ACLs beyond the table (``extra``), and those of them taken away."""

    passwords: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def passwords_of(users: Iterable[User], folder: Path) -> dict[str, str]:
    """Return the passwords of those users for whom the folder has a file, called as the user without ``candlewick-``.

    Raises:
        GrantError: there is none at all, or one is empty or cannot be read.
    """
    found = {}
    for user in users:
        file = folder / user.name.removeprefix("candlewick-")
        try:
            found[user.name] = file.read_text(encoding="utf-8").rstrip("\r\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise GrantError(f"{file} cannot be read: {type(error).__name__}") from error
        if not found[user.name]:
            raise GrantError(f"{file} is empty")
    if not found:
        raise GrantError(f"{folder} holds no password: a file a user, called {', '.join(_short(u) for u in users)}")
    return found


def grant(
    kafka: str, options: Mapping[str, Any], users: Sequence[User], passwords: Mapping[str, str], *, prune: bool = False
) -> Granted:
    """Set passwords and make the ACLs that are missing; running it again is harmless.

    Args:
        kafka: bootstrap servers.
        options: further librdkafka properties, of a superuser or of one with the right to alter the cluster.
        users: who may do what.
        passwords: user -> password; users without one get their ACLs alone.
        prune: take away what these users may do beyond the table; otherwise it is only told.

    Raises:
        GrantError: Kafka is not reached, or refuses.
    """
    try:
        admin = AdminClient({"socket.timeout.ms": 10_000, "log_level": 2, **options, "bootstrap.servers": kafka})
        admin.list_topics(timeout=TIMEOUT_S)  # connects: librdkafka 2.16.0 may abort in an administrative call made before it has
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        changes: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(name, info, password.encode()) for name, password in passwords.items()
        ]
        if changes:
            _await(admin.alter_user_scram_credentials(changes, request_timeout=TIMEOUT_S))
        wanted = {acl for user in users for right in user.rights for acl in acls(user.name, right)}
        there = {acl for user in users for acl in _of(admin, user)}
        missing = sorted(wanted - there, key=line_of)
        extra = sorted(there - wanted, key=line_of)
        if missing:
            _await(admin.create_acls(missing, request_timeout=TIMEOUT_S))
        if extra and prune:
            _await(admin.delete_acls([_filter(acl) for acl in extra], request_timeout=TIMEOUT_S))
    except KafkaException as error:
        raise GrantError(f"Kafka at {kafka}: {error.args[0].str()}") from error
    told = [line_of(acl) for acl in extra]
    return Granted(sorted(passwords), [line_of(acl) for acl in missing], [] if prune else told, told if prune else [])


def acls(name: str, right: Right) -> list[AclBinding]:
    """Return a right of the user `name` as ACLs, one an operation, from any host."""
    pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
    return [
        AclBinding(_KINDS[right.kind], right.name, pattern, f"User:{name}", "*", _OPERATIONS[o], AclPermissionType.ALLOW)
        for o in right.operations
    ]


def line_of(acl: AclBinding) -> str:
    """Return an ACL in words, for people."""
    star = "*" if acl.resource_pattern_type == ResourcePatternType.PREFIXED else ""
    kind, operation = ResourceType(acl.restype).name.lower(), AclOperation(acl.operation).name.lower()
    return f"{acl.principal.removeprefix('User:')}: {operation} {kind} {acl.name}{star}"


def _of(admin: AdminClient, user: User) -> list[AclBinding]:
    anything = AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]  # any name; declared without
        ResourcePatternType.ANY,
        f"User:{user.name}",
        None,  # type: ignore[arg-type]  # any host
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    found: list[AclBinding] = admin.describe_acls(anything, request_timeout=TIMEOUT_S).result()
    return found


def _filter(acl: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        acl.restype, acl.name, acl.resource_pattern_type, acl.principal, acl.host, acl.operation, acl.permission_type
    )


def _await(futures: Mapping[Any, Any]) -> None:
    for future in futures.values():
        future.result()


def _short(user: User) -> str:
    return user.name.removeprefix("candlewick-")
