"""The HTTP service: `gan serve`. Needs the extra `serve`; nothing else in the package imports it.

settings.py   limits and manners
batcher.py    many requests in, whole batches through the engine, pictures back
models.py     the bundles being served: proven before use, replaced while serving
wish.py       what one request asks for, checked before anything is drawn
images.py  generations.py  v2.py  health.py      the routes
guard.py      what every request passes: identity, token, limits, log
refusals.py   one envelope for everything that goes wrong
app.py        all of it together;  server.py  listening and leaving
"""
