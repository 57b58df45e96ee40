"""Nchan in nginx: one worker and its own memory for fan-out, two servers and Redis for unicast."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from loadtest.clients.wire import client_frame
from loadtest.peers.launch import LOOPBACK, children, find_program, free_port, running, running_valkey
from loadtest.peers.peer import PAYLOAD, SERVER, VALKEY, Peer, Serving, Site, Step, upgrade
from loadtest.server.stack import StackFailed

# Messages are not kept, as ours are not: whoever is away misses them.
_CONFIG = """\
daemon off;
master_process on;
worker_processes 1;
worker_rlimit_nofile 20000;
error_log stderr error;
pid {scratch}/nginx-{port}.pid;
load_module {module};
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {scratch}/body;
  proxy_temp_path {scratch}/proxy;
  fastcgi_temp_path {scratch}/fastcgi;
  uwsgi_temp_path {scratch}/uwsgi;
  scgi_temp_path {scratch}/scgi;
  nchan_shared_memory_size 1G;
  nchan_store_messages off;
  {upstream}
  server {{
    listen {host}:{port};
    location ~ ^/both/(\\w+)$ {{ nchan_pubsub websocket; nchan_channel_id $1; {through} }}
    location ~ ^/sub/(\\w+)$ {{ nchan_subscriber websocket; nchan_channel_id $1; {through} }}
    location ~ ^/pub/(\\w+)$ {{ nchan_publisher websocket; nchan_channel_id $1; {through} }}
  }}
}}
"""
REDIS_FOUND_S = 1.0  # whoever comes before nginx has found its Redis may wait for ever
_MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/nginx/modules")


class Nchan(Peer):
    """Channels instead of rooms."""

    name = "nchan"
    title = "Nchan"
    unicast_nodes = 2

    @classmethod
    def missing(cls, site: Site) -> str:
        """Debian has it."""
        is_there = find_program(site.installed, "nginx") and _module()
        return "" if is_there else "apt install nginx libnginx-mod-nchan"

    @classmethod
    @contextmanager
    def serve(cls, site: Site, nodes: int, people: int) -> Iterator[Self]:
        """As many servers as there are nodes."""
        del people
        program, module = find_program(site.installed, "nginx"), _module()
        if program is None or module is None:
            raise StackFailed(cls.missing(site))
        with ExitStack() as stack:
            pids: dict[str, list[int]] = {SERVER: []}
            upstream = through = ""
            if nodes > 1:
                redis, redis_pid = stack.enter_context(running_valkey(site.scratch))
                pids[VALKEY] = [redis_pid]
                upstream = f"upstream redis {{ nchan_redis_server redis://{LOOPBACK}:{redis}; nchan_redis_storage_mode nostore; }}"
                through = "nchan_redis_pass redis;"
            ports = []
            for _ in range(nodes):
                port = free_port()
                config = site.scratch / f"nginx-{port}.conf"
                words = {"module": module, "scratch": site.scratch, "host": LOOPBACK, "port": port}
                config.write_text(_CONFIG.format(**words, upstream=upstream, through=through))
                argv = (program, "-p", site.scratch, "-c", config)
                pid = stack.enter_context(running(argv, port, site.scratch / f"nginx-{port}.log"))
                pids[SERVER] += [pid, *children(pid)]
                ports.append(port)
            if nodes > 1:
                time.sleep(REDIS_FOUND_S)
            yield cls(Serving(ports, pids))

    def member(self, number: int) -> list[Step]:
        """Member 0 publishes where the others only listen."""
        return [upgrade(self.serving.ports[0], "/sub/room0" if number else "/both/room0")]

    def fan(self, room: int) -> bytes:
        """Text for the channel."""
        del room
        return client_frame(PAYLOAD)

    def receiver(self, number: int) -> list[Step]:
        """A channel of one's own."""
        return [upgrade(self.serving.ports[-1], f"/sub/receiver{number}")]

    def sender(self, number: int) -> list[Step]:
        """A publisher's socket knows one channel: the receiver's."""
        return [upgrade(self.serving.ports[0], f"/pub/receiver{number}")]

    def unicast(self, number: int) -> bytes:
        """Text."""
        del number
        return client_frame(PAYLOAD)


def _module() -> Path | None:
    paths = (Path(folder) / "ngx_nchan_module.so" for folder in _MODULES)
    return next((path for path in paths if path.is_file()), None)
