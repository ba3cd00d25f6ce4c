"""A cluster's identity: whatever is drawn, Kafka's tool reads it as one."""

import base64

from deploy.local.identity import new_cluster_id


def test_no_identity_looks_like_an_option():
    for first in range(256):
        found = new_cluster_id(bytes([first] * 16))
        assert not found.startswith("-")
        assert len(base64.urlsafe_b64decode(found + "==")) == 16
    assert new_cluster_id() != new_cluster_id()
