"""Rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.fake import FakeBuildkite
from buildkite_orm.fake.seeds import rules as seed
from buildkite_orm.resources.rule import Rule, RuleType, RuleValue

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

RULES = "/v2/organizations/acme/rules"
VALUE: RuleValue = {"source_pipeline": "api", "target_pipeline": "docs"}


@pytest.fixture(autouse=True)
def _pipelines(server: FakeBuildkite) -> None:
    server.add_pipeline("api")
    server.add_pipeline("docs")


def test_a_rule_is_created(bk: Buildkite, server: FakeBuildkite, sent: Sent, costs: Costs) -> None:
    pipelines = server.store.organizations["acme"].pipelines
    value: RuleValue = {
        "source_pipeline": pipelines["api"].id,
        "target_pipeline": "docs",
        "conditions": ["source.build.branch == 'main'"],
    }
    with costs(1):
        rule = bk.organization("acme").rules().create(type="pipeline.trigger_build.pipeline", value=value)
    assert sent() == (f"POST {RULES}", {"type": "pipeline.trigger_build.pipeline", "value": value})
    assert rule.type is RuleType.TRIGGER_BUILD
    assert (rule.source_type, rule.target_type) == ("pipeline", "pipeline")
    assert (rule.source_uuid, rule.target_uuid) == (pipelines["api"].id, pipelines["docs"].id)
    assert (rule.effect, rule.action) == ("allow", "trigger_build")
    assert rule.created_by is not None


def test_rules_are_listed_and_got(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    org = bk.organization("acme")
    made = org.rules().create(type=RuleType.ARTIFACTS_READ, value=VALUE)
    with costs(2):
        assert list(org.rules()) == [made]
        assert org.rule(made.uuid).fetch() == made
    assert sent() == (f"GET {RULES}/{made.uuid}", None)
    assert made.organization == org
    assert made.action == "artifacts_read"


def test_a_rule_is_deleted(bk: Buildkite, sent: Sent) -> None:
    rule = bk.organization("acme").rules().create(type=RuleType.TRIGGER_BUILD, value=VALUE)
    rule.delete()
    assert sent() == (f"DELETE {RULES}/{rule.uuid}", None)
    with pytest.raises(NotFoundError, match="No rule found"):
        rule.reload()


@pytest.mark.parametrize(
    ("problem", "fields"),
    [
        ("Source pipeline", {"value": {**VALUE, "source_pipeline": "gone"}}),
        ("Target pipeline", {"value": {"source_pipeline": "api"}}),
        ("Conditions", {"value": {**VALUE, "conditions": "true"}}),
        ("type", {"type": RuleType("pipeline.delete.pipeline")}),
        ("value", {"value": {}}),
    ],
)
def test_a_value_that_is_not_accepted(bk: Buildkite, problem: str, fields: dict[str, Any]) -> None:
    rules = bk.organization("acme").rules()
    given: dict[str, Any] = {"type": RuleType.TRIGGER_BUILD, "value": VALUE, **fields}
    with pytest.raises(UnprocessableEntityError, match=problem):
        rules.create(**given)
    assert not rules


def test_each_needs_its_scope(server: FakeBuildkite) -> None:
    with server.client(token=server.make_token("read_rules")) as bk:
        assert list(bk.organization("acme").rules()) == []
        with pytest.raises(PermissionDeniedError, match="write_rules"):
            bk.organization("acme").rules().create(type=RuleType.TRIGGER_BUILD, value=VALUE)
    with server.client(token=server.make_token("write_rules")) as bk, pytest.raises(PermissionDeniedError):
        list(bk.organization("acme").rules())


def test_seeded_objects_exist() -> None:
    with FakeBuildkite() as server, server.client() as bk:
        acme = server.store.organizations["acme"]
        if not server.store.collections.of("rule", acme.id):
            seed.populate(server.context, acme)
        assert {rule.type for rule in bk.organization("acme").rules()} == set(RuleType)


def test_documented_examples_load_and_dump_back(examples: Examples) -> None:
    examples(Rule, "rules/list-rules", "rules/get-a-rule", "rules/create-a-rule")
