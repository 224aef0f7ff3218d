"""The outcomes of jobs: exit status, seconds, log and artifacts, by step key, by command, or for all jobs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from buildkite_orm.fake.wildcards import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkite_orm.fake.records import JobRecord
    from buildkite_orm.fake.steps import CommandStep


@dataclass(frozen=True, slots=True)
class _Rule:
    """Fields of a command step, for the jobs of a step, of commands that match a pattern, or of all steps."""

    step_key: str | None
    command: str | None
    fields: dict[str, Any]

    @property
    def rank(self) -> int:
        """Its precedence: a step key counts more than a command, and that more than none."""
        return 2 * (self.step_key is not None) + (self.command is not None)

    def applies(self, job: JobRecord) -> bool:
        """Return whether the rule is one for a job."""
        if self.step_key is not None and self.step_key != job.step_key:
            return False
        return self.command is None or compiled([self.command]).fullmatch(job.command or "") is not None


@dataclass(slots=True)
class Outcomes:
    """The rules that tests have set; a later one replaces the fields of an earlier one of the same precedence."""

    _rules: list[_Rule] = field(default_factory=list[_Rule])

    def add(self, step_key: str | None, command: str | None, fields: dict[str, Any]) -> None:
        """Add a rule."""
        self._rules.append(_Rule(step_key, command, fields))

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def has_rule(self, job: JobRecord) -> bool:
        """Return whether a rule applies to a job."""
        return any(rule.applies(job) for rule in self._rules)

    def apply(self, job: JobRecord, step: CommandStep) -> CommandStep:
        """Return the step of a job with what the rules say."""
        fields = {name: value for rule in self._matching(job) for name, value in rule.fields.items()}
        return replace(step, **fields) if fields else step

    def _matching(self, job: JobRecord) -> Iterator[_Rule]:
        """Yield the rules for a job, the strongest one last."""
        return iter(sorted((rule for rule in self._rules if rule.applies(job)), key=lambda rule: rule.rank))
