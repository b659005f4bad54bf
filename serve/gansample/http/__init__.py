"""The HTTP service: `gan serve`. Needs the extra `serve`; nothing else in the package imports it.

settings.py          limits
models.py            the bundles being served: verified before use, replaced while serving (stamp.py: when they change)
draw_request.py      what one request asks for, checked before anything is drawn
memory.py            what it will take, and room for it among all others
inference_engine.py  what runs a model for many requests at once
batcher.py           the engine in this process: dynamic batching
encode.py            pictures as bytes
routes/              images, generations (OpenAI's shape), v2 (Open Inference Protocol), health, pages (those in pages/)
guard.py, body.py    what every request passes: request id, token, limits, access log
errors.py            the JSON envelope of every error
metrics.py           Prometheus
protocol.py          limits on what comes before the application: headers, slow and silent clients
app.py, server.py    the application; listening and shutting down
"""
