"""The commands of run.py that need the installed packages. No room imports these modules: each is a program of its own.

Modules, in the order of the flow:
    fetch_ahead   Fetches weights at the first start, while the packages are still being installed
    database      What all commands on the database file share: open it, ask, report errors in one line
    accounts      `run.py user` and `run.py demo`
    audit_log     `run.py log audit`
    trash         `run.py recordings trash`
    database_copy `run.py db copy`
    backup        `run.py backup FILE`
    restore       `run.py restore FILE`
    restore_switch From the files that were there to those of a backup, and back after an error
    backup_content What a backup consists of
    backup_recordings The recordings' part of it
    backup_file   The backup as a file: written, read, verified
    storing       What backup and restore share: errors in one line, files that reach the disk
    upgrade_check `run.py upgrade-check FOLDER`
    version_folder The folder with versions beside each other, and the link to the one that runs
    upgrade       `run.py upgrade VERSION`
    upgrade_back  `run.py upgrade --back`
    progress_bar  A bar that grows on a terminal
    models        `run.py models list|fetch|verify`
    denoise       `run.py denoise IN OUT`
    doctor        `run.py doctor`
    reachability  Tests whether a port can be reached at an address of this machine; for the doctor
"""
