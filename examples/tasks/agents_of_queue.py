"""Print the agents of a queue and what they run.

python agents_of_queue.py QUEUE
"""

import sys

from buildkite_orm import Buildkite

with Buildkite() as bk:
    org = bk.organization()
    queues = [queue for cluster in org.clusters() for queue in cluster.queues() if queue.key == sys.argv[1]]
    if not queues:
        sys.exit(f"there is no queue {sys.argv[1]!r}")
    for queue in queues:
        for agent in org.agents(cluster_queue_id=queue.id):
            print(agent.name, agent.connection_state, agent.embedded_job.name if agent.embedded_job else "idle")
