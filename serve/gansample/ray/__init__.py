"""On more than one machine, with Ray: the same service, the same files. Needs the extra `ray`; nothing else imports it.

start.py    join a cluster, or start one on this machine
engine.py   which engine draws: tried where it would run, and then the same everywhere

replica.py  one engine on one machine, in Ray Serve: proven, batched
drawer.py   what the service's routes draw with: sends orders to replicas, again where one was lost
serving.py  from a bundle to replicas that draw it; a newer one beside the older

drawing.py  `gansample --ray`
begun.py    is there a job already, and may it be gone on with
bulk.py     its shards, drawn by Ray Data's workers; gone on with after anything
shards.py   one shard as bytes: tar, parquet
store.py    where shards go: a folder, or an address that fsspec knows
"""
