"""The denoisers that this server offers.

`catalogue` (names, delays, and which can serve now), `preloader` (loads in workers what will be asked for) and `device` (processor or
GPU). Imported by `web.media` and `web.live`.
"""
