"""The things of Buildkite, one module each: its ref (relations and verbs), its object (data), its queryset.

What other payloads carry of a thing is in `embedded`.
"""
