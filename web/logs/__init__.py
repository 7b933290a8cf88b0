"""The server's log: lines that nobody outside can forge, and that never make the loop wait. Imported by web.app, web.metrics and web.serve.

request_ids      an id for each request, in its answer and in every line about it
formats          a record as text or as JSON
writer           writes lines in a thread of its own, and drops and counts what nobody takes
log              the log of the process, by `log.format` and `log.level`
recent_warnings  the last warnings, for whoever owns the server
"""
