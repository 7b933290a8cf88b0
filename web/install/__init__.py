"""What run.py does before there is an environment: any Python from 3.8 on can read this, with nothing but its own library.

Modules, in the order of the flow:
    usage        How the commands are used, as far as it can be told before anything is installed for them
    messages     What run.py says while it installs, and how it says that it cannot
    platforms    Systems for which there are no packages
    stamps       What every start asks first
    pythons      Find a Python that there is a lock for
    pip          pip, with a line for what takes long instead of three for each package
    torch_build  torch comes in builds
    environment  Make .venv and .venv-torch from the locks
    tools        The programs that tests need besides Python's
    locking      Renew the locks from setup.cfg
"""
