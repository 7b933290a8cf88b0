"""The parts of several servers, for the tests of the page that need them."""

from tests.web.nodes.conftest import redis as redis
