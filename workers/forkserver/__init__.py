"""The process that has denoisers loaded and forks workers from itself: one thread, no asyncio.

- main: the process, which answers the server's requests; loaded: the denoisers, and whether they can be forked
- pool: the worker processes, and which of them gets a voice; spawn: forks or executes one
- standalone: the process of a worker that cannot be forked; pending: the voices that wait until it has loaded

Started as a process by `workers.link.forkserver`, imported by nobody else.
"""
