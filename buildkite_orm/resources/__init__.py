"""The resources of Buildkite, one module each: ref (relations and verbs), object (data), queryset.

What other payloads contain of a resource is in `embedded`.
"""
