"""Pipeline templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkite_orm import NotFoundError, PermissionDeniedError, UnprocessableEntityError
from buildkite_orm.resources.pipelines.template import PipelineTemplate

if TYPE_CHECKING:
    from buildkite_orm import Buildkite
    from buildkite_orm.fake import FakeBuildkite
    from tests.conftest import Costs, Sent
    from tests.resources.conftest import Examples

TEMPLATES = "/v2/organizations/acme/pipeline-templates"
YAML = 'steps:\n  - label: ":hammer: Größe"\n    command: "scripts/build.sh"\n'


@pytest.fixture
def template(bk: Buildkite) -> PipelineTemplate:
    """A template with all there is."""
    return (
        bk.organization("acme")
        .pipeline_templates()
        .create(name="Build", configuration=YAML, description="Shared", available=True)
    )


def test_a_template_is_created_with_the_given_fields_only(bk: Buildkite, sent: Sent, costs: Costs) -> None:
    with costs(1):
        template = bk.organization("acme").pipeline_templates().create(name="Build", configuration=YAML)
    assert sent() == (f"POST {TEMPLATES}", {"name": "Build", "configuration": YAML})
    assert (type(template), template.description, template.available) == (PipelineTemplate, None, False)
    assert template.updated_at == template.created_at


def test_a_new_one_accepts_every_field(template: PipelineTemplate, sent: Sent) -> None:
    fields = {"name": "Build", "configuration": YAML, "description": "Shared", "available": True}
    assert sent() == (f"POST {TEMPLATES}", fields)
    assert template.dump().items() >= fields.items()


def test_templates_are_listed_and_got(bk: Buildkite, template: PipelineTemplate, sent: Sent, costs: Costs) -> None:
    org = bk.organization("acme")
    with costs(2):
        assert list(org.pipeline_templates()) == [template]
        assert org.pipeline_template(template.uuid).fetch() == template
    assert sent() == (f"GET {TEMPLATES}/{template.uuid}", None)
    assert (repr(template), template.organization) == ("PipelineTemplate(Build, available)", org)


def test_one_that_is_not_there_is_not_found(bk: Buildkite) -> None:
    with pytest.raises(NotFoundError, match="No pipeline template found"):
        bk.organization("acme").pipeline_template("0191").fetch()


@pytest.mark.parametrize("value", [None, "", "For all"])
def test_unset_null_and_empty_are_distinguished(
    template: PipelineTemplate, sent: Sent, value: str | None, server: FakeBuildkite
) -> None:
    server.clock.advance(60)
    template.description = value
    template.save()
    assert sent() == (f"PATCH {TEMPLATES}/{template.uuid}", {"description": value})
    assert (template.description, template.available) == (value, True)
    assert template.updated_at is not None
    assert template.created_at is not None
    assert template.updated_at > template.created_at


@pytest.mark.parametrize("way", ["saved", "updated"])
def test_false_is_sent_as_false(template: PipelineTemplate, sent: Sent, way: str) -> None:
    if way == "saved":
        template.available = False
        template.save()
    else:
        template.update(available=False)
    assert sent() == (f"PATCH {TEMPLATES}/{template.uuid}", {"available": False})
    assert (template.available, template.description) == (False, "Shared")


def test_null_empty_and_false_are_sent_for_a_new_one(bk: Buildkite, sent: Sent) -> None:
    for description in (None, ""):
        fields: Any = {"name": "Build", "configuration": YAML, "description": description, "available": False}
        template = bk.organization("acme").pipeline_templates().create(**fields)
        assert sent() == (f"POST {TEMPLATES}", fields)
        assert template.dump().items() >= fields.items()


def test_everything_can_be_changed(template: PipelineTemplate, sent: Sent) -> None:
    changes = {"name": "Test", "configuration": "- wait", "description": None, "available": False}
    assert template.update(name="Test", configuration="- wait", description=None, available=False) is template
    assert sent()[1] == changes
    assert template.dump().items() >= changes.items()


@pytest.mark.parametrize(
    ("name", "configuration"),
    [("", YAML), *(("Build", each) for each in ("", "steps: []", "steps:", "a: [", "null", "steps: x"))],
)
def test_an_empty_name_or_configuration_is_refused(
    bk: Buildkite, template: PipelineTemplate, name: str, configuration: str
) -> None:
    templates, at_fault = bk.organization("acme").pipeline_templates(), "configuration" if name else "name"
    with pytest.raises(UnprocessableEntityError, match=at_fault):
        templates.create(name=name, configuration=configuration)
    with pytest.raises(UnprocessableEntityError, match=at_fault):
        template.update(name=name, configuration=configuration)
    assert [(each.name, each.configuration) for each in templates.fresh()] == [("Build", YAML)]


def test_a_template_is_deleted_when_no_pipeline_has_it(
    server: FakeBuildkite, bk: Buildkite, template: PipelineTemplate, sent: Sent
) -> None:
    server.add_pipeline("web")
    pipeline = bk.organization("acme").pipeline("web").update(pipeline_template_uuid=template.uuid)
    with pytest.raises(UnprocessableEntityError, match="assigned to pipelines"):
        template.delete()
    pipeline.update(pipeline_template_uuid=None)
    template.delete()
    assert sent() == (f"DELETE {TEMPLATES}/{template.uuid}", None)
    assert template not in bk.organization("acme").pipeline_templates()


def test_other_members_see_and_assign_available_templates(
    server: FakeBuildkite, bk: Buildkite, template: PipelineTemplate
) -> None:
    org = bk.organization("acme")
    hidden = org.pipeline_templates().create(name="Hidden", configuration=YAML)
    server.add_pipeline("web")
    server.store.organizations["acme"].users[0].role = "member"
    assert list(org.pipeline_templates()) == [template]
    with pytest.raises(NotFoundError):
        hidden.fetch()
    assert org.pipeline("web").update(pipeline_template_uuid=template.uuid).pipeline_template == template
    with pytest.raises(UnprocessableEntityError, match="pipeline_template_uuid"):
        org.pipeline("web").update(pipeline_template_uuid=hidden.uuid)
    with pytest.raises(PermissionDeniedError):
        org.pipeline_templates().create(name="Mine", configuration=YAML)
    with pytest.raises(PermissionDeniedError):
        template.update(name="Mine")
    with pytest.raises(PermissionDeniedError):
        template.delete()


def test_the_documented_examples_load_and_dump(examples: Examples) -> None:
    verbs = ("list-pipeline-templates", *(f"{verb}-a-pipeline-template" for verb in ("get", "create", "update")))
    examples(PipelineTemplate, *(f"pipeline_templates/{verb}" for verb in verbs))
