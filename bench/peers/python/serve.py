"""What the programs here share: their settings, and how a server is run.

With uvloop and httptools, which uvicorn takes by itself where they are installed; without a log of requests.
"""

import json
import sys

settings = json.loads(sys.argv[1])
origin = settings["origin"]


def run(server):
    """Serves until it is killed."""
    server.run(
        transport="http",
        host="127.0.0.1",
        port=settings["port"],
        show_banner=False,
        log_level="warning",
        stateless_http=True,
        json_response=True,
        uvicorn_config={"access_log": False},
    )
