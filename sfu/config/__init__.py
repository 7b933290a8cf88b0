"""The settings: read once, checked, frozen; each part gets its own branch.

Modules, in the order of the flow:
    schema  Every setting, as frozen dataclasses
    checks  What each setting may be
    load    config.toml and the environment, read once at start and checked, become the frozen tree of `sfu.config.schema`
"""
