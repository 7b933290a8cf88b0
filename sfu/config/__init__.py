"""The settings, read once at the start. Imported by sfu.net, sfu.peer, sfu.broadcast and web; each part gets
its own branch only.

Modules, in the order of the flow:
    errors          ConfigError, the operator's mistake, in one line
    schema          Every setting with its default, as frozen dataclasses
    checks          The bounds of each setting, and the rules between two
    older_settings  What older designs read from the environment, and what replaces it
    load            Reads config.toml and the environment into the frozen tree
"""
