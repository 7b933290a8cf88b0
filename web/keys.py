"""Keys of the application that all rooms use. Other keys are defined beside their class."""

from typing import TYPE_CHECKING

from aiohttp import web

from db.connection import Database
from sfu.config.schema import Config

if TYPE_CHECKING:
    from sfu.broadcast.switchboard import Switchboard
    from sfu.denoise.capacity import Capacity

NODE = web.AppKey("NODE", str)  # this server's name among several; not set where it is the only one
CONFIG = web.AppKey("CONFIG", Config)
DB = web.AppKey("DB", Database)
CAPACITY: web.AppKey["Capacity"] = web.AppKey("CAPACITY")
SWITCHBOARD: web.AppKey["Switchboard"] = web.AppKey("SWITCHBOARD")
PRIVATE_SWITCHBOARD: web.AppKey["Switchboard"] = web.AppKey("PRIVATE_SWITCHBOARD")  # where people hear themselves
