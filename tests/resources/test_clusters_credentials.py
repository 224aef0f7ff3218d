"""The agent tokens and secrets of clusters."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, UnprocessableEntityError
from buildkite_orm.resources.clusters.agent_token import AgentToken
from buildkite_orm.resources.clusters.secret import Secret

if TYPE_CHECKING:
    from buildkite_orm.fake import FakeBuildkite
    from buildkite_orm.resources.clusters.cluster import Cluster
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

SOON = datetime(2027, 1, 1, tzinfo=UTC)
NETWORKS = "202.144.0.0/24 192.0.2.7/32"
POLICY = "- pipeline_slug: web\n  build_branch: main"


@pytest.fixture
def tokens(cluster: Cluster) -> str:
    """The path of its agent tokens."""
    return f"/v2/organizations/acme/clusters/{cluster.id}/tokens"


@pytest.fixture
def secrets(cluster: Cluster) -> str:
    """The path of its secrets."""
    return f"/v2/organizations/acme/clusters/{cluster.id}/secrets"


@pytest.fixture
def secret(cluster: Cluster) -> Secret:
    """A secret."""
    return cluster.secrets().create(key="MY_SECRET", value="hunter2", description="Before", policy=POLICY)


# -- agent tokens


def test_a_token_is_created_and_its_secret_is_returned_once(
    cluster: Cluster, tokens: str, sent: Sent, costs: Costs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with costs(1):
        token = cluster.agent_tokens().create(
            description="Windows agents", expires_at=SOON, allowed_ip_addresses=NETWORKS
        )
    fields = {"description": "Windows agents", "expires_at": "2027-01-01T00:00:00Z", "allowed_ip_addresses": NETWORKS}
    assert sent() == (f"POST {tokens}", fields)
    assert (token.expires_at, token.allowed_ip_addresses) == (SOON, NETWORKS)
    assert token.token
    for shown in (repr(token), str(token), repr([token]), caplog.text):
        assert token.token not in shown
    assert token.fetch().token is None
    assert [each.token for each in cluster.agent_tokens()] == [None]


def test_tokens_are_listed_and_got(cluster: Cluster, tokens: str, sent: Sent, costs: Costs) -> None:
    made = [cluster.agent_tokens().create(description=each) for each in ("Windows agents", "Linux agents")]
    assert made[0].token != made[1].token
    with costs(2):
        assert list(cluster.agent_tokens()) == made
        assert cluster.agent_token(made[0].id).fetch() == made[0]
    assert sent() == (f"GET {tokens}/{made[0].id}", None)
    assert made[0].cluster == cluster


def test_everything_of_a_token_can_be_changed(cluster: Cluster, tokens: str, sent: Sent, costs: Costs) -> None:
    token = cluster.agent_tokens().create(description="Before")
    with costs(1):
        assert token.update(description="After", expires_at=SOON, allowed_ip_addresses=NETWORKS) is token
    fields = {"description": "After", "expires_at": "2027-01-01T00:00:00Z", "allowed_ip_addresses": NETWORKS}
    assert sent() == (f"PUT {tokens}/{token.id}", fields)
    assert (token.description, token.expires_at, token.allowed_ip_addresses) == ("After", SOON, NETWORKS)


@pytest.mark.parametrize(
    ("name", "value"), [("expires_at", None), ("allowed_ip_addresses", None), ("allowed_ip_addresses", "")]
)
def test_optional_fields_of_a_token_can_be_cleared(
    cluster: Cluster, tokens: str, sent: Sent, name: str, value: Any
) -> None:
    token = cluster.agent_tokens().create(description="Linux", expires_at=SOON, allowed_ip_addresses=NETWORKS)
    setattr(token, name, value)
    token.save()
    assert sent() == (f"PUT {tokens}/{token.id}", {name: value})
    assert getattr(token, name) == value


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"description": ""}, "description"),
        ({"description": "x", "expires_at": "tomorrow"}, "expires_at"),
        ({"description": "x", "allowed_ip_addresses": "here"}, "allowed_ip_addresses"),
    ],
)
def test_a_token_that_cannot_be_is_not_created(cluster: Cluster, fields: Any, why: str) -> None:
    with pytest.raises(UnprocessableEntityError, match=why):
        cluster.agent_tokens().create(**fields)
    assert not cluster.agent_tokens()


def test_a_token_is_revoked(cluster: Cluster, tokens: str, sent: Sent, costs: Costs) -> None:
    token = cluster.agent_tokens().create(description="Linux")
    with costs(1):
        token.delete()
    assert sent() == (f"DELETE {tokens}/{token.id}", None)
    with pytest.raises(NotFoundError, match="No token found"):
        token.reload()


# -- secrets


def test_a_secret_is_created_and_its_value_is_never_returned(
    cluster: Cluster, secrets: str, sent: Sent, costs: Costs
) -> None:
    fields: Any = {"key": "MY_SECRET", "value": "hunter2", "description": "Mine", "policy": POLICY}
    with costs(1):
        secret = cluster.secrets().create(**fields)
    assert sent() == (f"POST {secrets}", fields)
    assert (secret.key, secret.description, secret.policy, secret.value) == ("MY_SECRET", "Mine", POLICY, None)
    assert repr(secret) == "Secret(MY_SECRET, Mine)"
    assert "hunter2" not in str(secret.dump())
    assert (secret.updated_by, secret.last_read_at) == (None, None)
    assert secret.embedded_organization is not None
    assert secret.embedded_organization.slug == "acme"
    assert secret.cluster == cluster


def test_secrets_are_listed_and_got(cluster: Cluster, secret: Secret, secrets: str, sent: Sent, costs: Costs) -> None:
    with costs(2):
        assert list(cluster.secrets()) == [secret]
        assert cluster.secret(secret.id).fetch() == secret
    assert sent() == (f"GET {secrets}/{secret.id}", None)


@pytest.mark.parametrize("name", ["description", "policy"])
@pytest.mark.parametrize("value", [None, "", "After"])
def test_unset_null_and_empty_are_distinguished(
    secret: Secret, secrets: str, sent: Sent, name: str, value: str | None
) -> None:
    setattr(secret, name, value)
    secret.save()
    assert sent() == (f"PUT {secrets}/{secret.id}", {name: value})
    assert getattr(secret, name) == value
    assert secret.updated_by is not None


@pytest.mark.parametrize("fields", [{}, {"description": None, "policy": None}, {"description": "", "policy": ""}])
def test_null_and_empty_are_sent_for_a_new_one(cluster: Cluster, secrets: str, sent: Sent, fields: Any) -> None:
    secret = cluster.secrets().create(key="MY_SECRET", value="hunter2", **fields)
    assert sent() == (f"POST {secrets}", {"key": "MY_SECRET", "value": "hunter2", **fields})
    assert (secret.description, secret.policy) == (fields.get("description"), fields.get("policy"))


def test_description_and_policy_are_changed_together(secret: Secret, secrets: str, sent: Sent, costs: Costs) -> None:
    with costs(1):
        assert secret.update(description="After", policy="") is secret
    assert sent() == (f"PUT {secrets}/{secret.id}", {"description": "After", "policy": ""})


def test_the_value_is_changed_by_itself(
    server: FakeBuildkite, secret: Secret, secrets: str, sent: Sent, costs: Costs
) -> None:
    with costs(1):
        changed = secret.update_value("correct horse")
    assert sent() == (f"PUT {secrets}/{secret.id}/value", {"value": "correct horse"})
    assert (changed, changed.description) == (secret, "Before")
    assert changed.updated_by is not None
    assert server.store.collections.of("secret", secret.cluster.fetch().id)[secret.id].data["value"] == "correct horse"


def test_key_and_value_cannot_be_changed(secret: Secret) -> None:
    update: Any = secret.update
    for name in ("key", "value"):
        with pytest.raises(TypeError, match="there are: description, policy"):
            update(**{name: "x"})
        with pytest.raises(AttributeError):
            setattr(secret, name, "x")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"key": "MY_SECRET"}, "Key has already been taken"),
        ({"key": "bk_secret"}, "key"),
        ({"key": "BUILDKITE"}, "key"),
        ({"key": "1st"}, "key"),
        ({"key": "A" * 256}, "key"),
        ({"key": "OTHER", "value": " "}, "value"),
        ({"key": "OTHER", "value": "x" * 8192}, "value"),
    ],
)
def test_a_secret_that_cannot_be_is_not_created(cluster: Cluster, secret: Secret, fields: Any, why: str) -> None:
    with pytest.raises(UnprocessableEntityError, match=why) as caught:
        cluster.secrets().create(**fields)
    assert "x" * 100 not in str(caught.value)
    assert list(cluster.secrets()) == [secret]


def test_a_blank_value_is_not_accepted(secret: Secret) -> None:
    with pytest.raises(UnprocessableEntityError, match="value"):
        secret.update_value("")


def test_a_secret_is_deleted(cluster: Cluster, secret: Secret, secrets: str, sent: Sent, costs: Costs) -> None:
    with costs(1):
        secret.delete()
    assert sent() == (f"DELETE {secrets}/{secret.id}", None)
    assert not cluster.secrets()
    with pytest.raises(NotFoundError, match="No secret found"):
        secret.reload()


# -- for both of them


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    tokens = ("list-tokens", "get-a-token", "create-a-token", "update-a-token")
    examples(AgentToken, *(f"clusters/agent_tokens/{name}" for name in tokens))
    updates = ("update-a-secret-s-description-and-access-policy", "update-a-secret-s-value")
    examples(
        Secret, *(f"clusters/secrets/{name}" for name in ("list-secrets", "get-a-secret", "create-a-secret", *updates))
    )
