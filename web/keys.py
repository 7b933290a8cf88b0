"""The keys of the application that every room asks for. Every other key stands beside its class."""

from typing import TYPE_CHECKING

from aiohttp import web

from db.connection import Database
from sfu.config.schema import Config

if TYPE_CHECKING:
    from sfu.broadcast.switchboard import Switchboard

CONFIG = web.AppKey("CONFIG", Config)
DB = web.AppKey("DB", Database)
SWITCHBOARD: web.AppKey["Switchboard"] = web.AppKey("SWITCHBOARD")
