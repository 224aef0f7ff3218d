"""Finished builds, logs and artifact files on disk.

1. `store` is one SQLite file (WAL) with rows of kind, key, stamp and a payload of the API, compressed by zlib.
2. A key is the path of a build, the id of a job (its log) or the id of an artifact (its file). A row has a scope: API
   base, uuid of the token or `namespace`, and dropped fields. The path of a build begins with its organization.
3. The stamp of a build is its `id`, `state`, `finished_at` and `blocked`. A listing that is requested anyway shows the
   same four; if they differ, the row is not used. So a listing is requested without jobs, and jobs are read from rows.
4. Builds of a page that have no valid row cost one more listing request, with jobs, of the time in which they were
   created. If the page before had no valid rows either, the page is requested with jobs at once.
5. A listing whose builds are all finished is a row too, so that `cache="only"` can list builds without a request.
6. What a change feed has seen is a row too: a checkpoint, with the key and the stamp of each build. Long listings are
   read from it, after a run of the feed from this checkpoint (`data/feed_listing`).
7. Artifact files are stored by their own SHA-256 below `files/`, and checked before they are used.
8. `policy`: nothing is stored until ten minutes after `finished_at` by the `Date` of the response; unfinished, never.
9. The session removes the rows of what its own writes change, and holds back new rows for the same ten minutes.
10. `client_cache` is what the other packages use. Its errors end the cache with one warning, and never a request.
11. `eviction` deletes the least recently used rows beyond `max_size`, and rows older than `max_age`.
"""
