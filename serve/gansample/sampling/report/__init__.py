"""`gan verify --report FILE`: the checks of `verify`, and beside them a thousand further latents, speed, memory and opening.

row      what is known of one engine: a variant on a backend
measure  how it becomes known, step by step, in one process
worker   that process: python -m gansample.sampling.report.worker
process  such a process, from outside
budget   how the time is shared
run      engine after engine, each in processes of its own, within the time
page     the report as Markdown

Every engine has processes of its own: a cold start is one, a driver that crashes or hangs takes only its own figures with it,
and memory is the process's. What was measured is written down at once.
"""
