"""The expressions of `if`, with the examples of https://buildkite.com/docs/pipelines/configure/conditionals."""

from __future__ import annotations

import pytest

from buildkite_orm.fake.pipeline_yaml.conditionals import ConditionalError, Values, evaluate, parse

VALUES = Values(
    {
        "build.branch": "feature/release-123",
        "build.message": "Fix [Skip Tests]",
        "build.tag": "v1.0",
        "build.number": 5,
        "build.source": "schedule",
        "build.creator.teams": ["deploy"],
        "build.pull_request.draft": None,
        "build.merge_queue.base_branch": "main",
    },
    {"BUILDKITE_TAG": "v1.0", "CUSTOM_ENVIRONMENT_VARIABLE": "value"},
)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ('build.branch == "main" || build.branch == "production"', False),
        ('build.branch != "production"', True),
        (r"build.branch =~ /^features\//", False),
        (r"build.branch =~ /\/release-123\$/", True),
        (r"build.branch =~ /\/release-123$$/", True),
        ("build.tag != null", True),
        (r"build.tag =~ /^v[0-9]+\.0\$/", True),
        (r'build.env("BUILDKITE_TAG") =~ /^v[0-9]+\.0\$/', True),
        (r"build.message !~ /\[skip tests\]/i", False),
        (r"build.message !~ /\[skip tests\]/", True),
        ('build.source == "schedule"', True),
        ('build.env("CUSTOM_ENVIRONMENT_VARIABLE") == "value"', True),
        ('build.env("OTHER") == null', True),
        ('build.creator.teams includes "deploy"', True),
        ('build.creator.teams includes "other"', False),
        ("!build.pull_request.draft", True),
        ('build.merge_queue.base_branch == "main"', True),
        ("// only the fifth\nbuild.number == 5 && // and\n !false", True),
        ("true || false && false", True),
        ("(true || false) && false", False),
        ("!(true && false)", True),
        ("'it' == \"it\"", True),
        ("build.source_event =~ /x/", False),
        (r"build.tag =~ /\Av\d\.(?<minor>\h)\z/", True),
        ("build.tag =~ /V1 \\. 0/ix", True),
        ("build.number != 6", True),
        ("build.number == '5'", False),
        ("build.number =~ /^5$/", True),
        ("build.branch =~ /^FEATURE/", False),
        ("!build.pull_request.draft == true", True),
        ("build.creator.teams includes 'deploy' && build.source != null", True),
        ("env('CUSTOM_ENVIRONMENT_VARIABLE') == build.env('CUSTOM_ENVIRONMENT_VARIABLE')", True),
        ("!!true", True),
        ("build.pull_request.labels includes 'x' || null == build.pull_request.id", True),
        ("// nothing but a comment before\nfalse", False),
        ('1 == 1 && "a\\"b" == \'a"b\'', True),
    ],
)
def test_an_expression_has_its_value(expression: str, result: bool) -> None:  # noqa: FBT001
    assert evaluate(expression, VALUES) is result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "incomplete"),
        ("build.branch ==", "incomplete"),
        ("build.branch = 'a'", "unexpected '='"),
        ("build.branch =~ 'a'", "regular expression"),
        ("build.branch =~ /(/", "invalid regular expression"),
        ("build.branch =~ /a/q", "unknown flags"),
        ("(true", r"'\)' is missing"),
        ("true true", "unexpected 'true'"),
        ("build.brunch", "unknown variable build.brunch"),
        ("true && ||", r"unexpected '\|\|'"),
        ("build.env(", "incomplete"),
        ("!" * 1000 + "true", "nested too deeply"),
        ("(" * 5000 + "true", "nested too deeply"),
        ("'open", "unexpected"),
    ],
)
def test_an_invalid_expression_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ConditionalError, match=message):
        parse(expression)
