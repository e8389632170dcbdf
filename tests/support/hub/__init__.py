"""A Hugging Face hub on loopback for tests: its API, a CDN of its own origin, and faults that tests set.

Standard library only. `with Hub() as hub: hub.add("owner/repo", {"model.gguf": Synthetic(10_000_000)})`,
then point a client at `hub.endpoint`.
"""

from hub.content import Content, Headed, Synthetic
from hub.faults import Fault
from hub.hub import Hub
from hub.proxy import Proxy
from hub.records import Request
from hub.server import AUTHORITY

__all__ = ["AUTHORITY", "Content", "Fault", "Headed", "Hub", "Proxy", "Request", "Synthetic"]
