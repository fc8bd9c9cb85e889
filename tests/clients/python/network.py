"""A network that loses answers, on loopback: what tills live with."""

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Network:
    """Carries connections to a server; `faults` say what befalls the next ones, then all is well.

    `refused`: closed before anything is carried. `lost`: the request arrives, its answer does not.
    `torn`: the end of its answer does not.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._server = (str(parts.hostname), int(parts.port or 80))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.faults: deque[str] = deque()
        self.connections = 0

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _carry(self, client: socket.socket) -> None:
        fault = self.faults.popleft() if self.faults else ""
        with client:
            if fault == "refused":
                return
            with socket.create_connection(self._server) as server:
                if fault == "lost":
                    threading.Thread(target=_pump, args=(client, server), daemon=True).start()
                    server.recv(1)  # It has answered: what it did stands.
                    client.shutdown(socket.SHUT_RDWR)
                    return
                if fault == "torn":
                    threading.Thread(target=_pump, args=(client, server), daemon=True).start()
                    server.recv(1, socket.MSG_PEEK)
                    time.sleep(0.2)  # By now all of it is here.
                    client.sendall(server.recv(1 << 16)[:-20])
                    client.shutdown(socket.SHUT_RDWR)
                    return
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()


@contextmanager
def network(base_url: str) -> Iterator[Network]:
    """Stand between a till and the server."""
    made = Network(base_url)
    threading.Thread(target=made.run, daemon=True).start()
    try:
        yield made
    finally:
        made.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
