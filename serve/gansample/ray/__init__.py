"""On more than one machine, with Ray: the same service, the same files. Needs the extra `ray`; nothing else imports it.

connect.py           connect to a cluster, or start one on this machine
engine.py            which engine draws: tried on a worker, then the same on all of them

replica.py           one engine in a Ray Serve replica: verified, with dynamic batching
inference_engine.py  what the service's routes call: sends messages to replicas, again if one was lost
serving.py           `gan serve --ray`: from a bundle to its replicas; a newer export beside the older one

resumable_job.py     `gansample --ray`: is there a job already, and may it be resumed?
bulk.py              its shards, written by Ray Data's workers
shards.py            one shard as bytes: tar, parquet
store.py             where shards go: a folder, or an address that fsspec knows
"""
