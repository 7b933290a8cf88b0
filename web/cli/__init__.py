"""The commands of run.py that need the environment.

Modules, in the order of the flow:
    database      The frame of commands that work on the database file, beside a running server too
    accounts      `run.py user` and `run.py demo`
    trash         `run.py recordings trash`
    models        `run.py models list|fetch|verify`
    fetch_ahead   The weights that a first start wants, fetched while its packages are still being installed
    denoise       `run.py denoise IN OUT`
    doctor        `run.py doctor`
    reachability  Is a port really reached at an address? Asked by the doctor, from this machine itself
"""
