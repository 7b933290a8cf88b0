"""Makes the environments that run.py needs. Only run.py imports this; Python 3.8 with nothing installed can run it.

Modules, in the order of the flow:
    usage        Checks the words after a command before anything is installed for it
    messages     The lines that run.py prints, and the error for an installation that failed
    versions     Hands over to the version that `run.py upgrade` has put beside the checkout
    asked_for    Tells which extra parts the settings ask for
    stamps       Tells in milliseconds whether an environment is complete
    platforms    Refuses systems for which there are no packages
    pythons      Finds a Python that there is a lock for, or fetches one with uv
    pip          Runs pip, shows its progress in short, and explains its failures
    torch_build  Installs torch in the build with or without CUDA
    environment  Makes .venv and .venv-torch from the locks
    torch_beside Makes .venv-torch beside .venv for the tests
    tools        Installs browsers and other programs that only tests need
    bundle       Bundles the page into web/client/dist (`run.py bundle`)
    locking      Renews the locks from setup.cfg (`run.py install --lock`)
"""
