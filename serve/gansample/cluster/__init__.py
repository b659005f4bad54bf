"""On more than one machine, with Ray: the same service, the same files. Needs the extra `ray`; nothing else imports it.

start.py    join a cluster, or start one that only this machine can reach
replica.py  one engine on one machine, in Ray Serve: proven, batched
drawer.py   what the service's routes draw with: sends orders to replicas, again where one was lost
serving.py  from a bundle to replicas that draw it; a newer one beside the older
"""
