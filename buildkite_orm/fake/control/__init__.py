"""Control of a fake Buildkite over HTTP, for tests in other languages: the same functions as `FakeBuildkite` has."""
