"""Rights as Kafka's own ACLs, and passwords out of files."""

import hashlib
import re
from base64 import b64decode

import pytest
from confluent_kafka.admin import AclOperation, ResourcePatternType

from deploy.kafka.access import users
from deploy.kafka.grants import GrantError, acls, line_of, passwords_of
from deploy.security.servers import credential
from schemas.rights import Right
from schemas.timeframes import parse_list

PEOPLE = users("md", parse_list("1m"))


def test_right_is_one_acl_an_operation():
    made = acls("candlewick-sink", Right("group", "candlewick-", ("Read", "Describe"), prefixed=True))
    assert [acl.operation for acl in made] == [AclOperation.READ, AclOperation.DESCRIBE]
    assert {acl.resource_pattern_type for acl in made} == {ResourcePatternType.PREFIXED}
    assert line_of(made[0]) == "candlewick-sink: read group candlewick-*"


def test_every_right_of_the_table_can_be_made():
    assert all(acls(user.name, right) for user in PEOPLE for right in user.rights)


def test_passwords_are_of_those_who_have_a_file(tmp_path):
    (tmp_path / "sink").write_text("one\n")
    assert passwords_of(PEOPLE, tmp_path) == {"candlewick-sink": "one"}


@pytest.mark.parametrize(("name", "text"), [("sink", "\n"), ("somebody", "one")])
def test_folder_that_is_no_use_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(GrantError):
        passwords_of(PEOPLE, tmp_path)


def test_credential_for_a_new_broker_holds_no_password():
    made = credential("admin", "secret9", b"0123456789abcdef")
    assert "secret9" not in made
    salted = b64decode(re.search(r'saltedpassword="([^"]+)"', made).group(1))
    assert salted == hashlib.pbkdf2_hmac("sha512", b"secret9", b"0123456789abcdef", 8192)
