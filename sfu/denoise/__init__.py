"""The denoising of one voice: workers are started, fed, replaced and supervised here. Imported by sfu.broadcast and web.

`catalogue` (which denoisers there are) · `supervisor` (one broadcast's worker) · `condition` (its state, reason and reserved capacity),
by the table of `states` · `restart_policy` (when to start again) · `load_monitor` (measures) for `overload_guard` (when to bypass) and
`capacity` (what the machine can carry) · `handover` (from one run to the next, and their settings) · `worker_run` (one run of one
worker: rings, bells, process) · `forkserver_keeper` (the forkserver process that workers are forked from).
"""
