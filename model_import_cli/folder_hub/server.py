"""A local Hugging Face Hub that serves a folder of `ORG/NAME/…files`, on two ports.

    python -m model_import_cli.folder_hub.server DIRECTORY [--port 8080]

A changed, added or removed file is visible at once, as a new commit of `main`. A file `.hub.json`
in a repository's folder makes it gated, private or disabled, adds refs, and lists the files in
which scanners found something:
`{"gated": "manual", "private": false, "allowed_tokens": ["hf_…"], "refs": {"refs/tags/v1": "."},
"disabled": false, "scan": {"pytorch_model.bin": "unsafe"}}`.
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from model_import_cli.folder_hub.api import HubSite
from model_import_cli.folder_hub.cdn import CdnSite, SignedLocations
from model_import_cli.folder_hub.faults import Fault, FaultPlan
from model_import_cli.folder_hub.http import LoggedRequest, RequestLog, SiteServer
from model_import_cli.folder_hub.repositories import Repository, repositories_below


class LocalHub:
    """Serves repositories from construction until `close`; also a context manager.

    Attributes:
        endpoint: the Hub's URL, for `HF_ENDPOINT`.
        cdn_endpoint: where large files are redirected to.
        faults: the faults to inject; more may be added at any time.
    """

    def __init__(  # noqa: PLR0913 each has its default
        self,
        repositories: Iterable[Repository],
        *,
        tokens: Collection[str] | None = None,
        faults: Iterable[Fault] = (),
        url_seconds: float = 3600,
        clock: Callable[[], float] = time.time,
        latency_seconds: float = 0,
        port: int = 0,
    ) -> None:
        """Starts to serve.

        Args:
            repositories: the repositories to serve.
            tokens: the valid tokens, in addition to those that repositories allow; any other is
                refused as invalid. None: every token is valid.
            faults: the faults to inject from the start.
            url_seconds: how long a signed location is valid.
            clock: the clock by which it expires.
            latency_seconds: the wait before each answer.
            port: of the Hub; 0: any free port.

        Raises:
            OSError: the port is taken.
        """
        served = {repository.repo_id: repository for repository in repositories}
        allowed = [repository.allowed_tokens for repository in served.values()]
        known_tokens = None if tokens is None else frozenset(tokens).union(*allowed)
        self.faults = FaultPlan(faults)
        self._log = RequestLog()
        locations = SignedLocations(url_seconds, clock)
        cdn = CdnSite(served, locations, self.faults)
        self._cdn = SiteServer(0, cdn, self.faults, self._log, latency_seconds)
        self.cdn_endpoint = self._cdn.url
        hub = HubSite(served, known_tokens, locations, self.cdn_endpoint, self.faults)
        try:
            self._hub = SiteServer(port, hub, self.faults, self._log, latency_seconds)
        except OSError:
            self._cdn.close()
            raise
        self.endpoint = self._hub.url
        self._closed = False

    @classmethod
    def from_directory(
        cls,
        directory: Path,
        *,
        tokens: Collection[str] | None = None,
        faults: Iterable[Fault] = (),
        port: int = 0,
    ) -> Self:
        """Serves each `ORG/NAME` folder below the directory, with the settings in `.hub.json`.

        Raises:
            NotADirectoryError: there is no such directory.
            ValueError: a `.hub.json` names a setting that does not exist.
        """
        return cls(repositories_below(directory), tokens=tokens, faults=faults, port=port)

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The requests so far, to the Hub and to the CDN."""
        return self._log.all()

    def clear_requests(self) -> None:
        self._log.clear()

    def close(self) -> None:
        """Ends every connection, including stalled ones; leaves no thread and no socket."""
        if self._closed:
            return
        self._closed = True
        self.faults.close()
        self._hub.close()
        self._cdn.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves a folder until Ctrl-C; returns 2 when it cannot."""
    parser = argparse.ArgumentParser(
        prog="python -m model_import_cli.folder_hub.server", description=__doc__
    )
    parser.add_argument("directory", type=Path, help="folder of ORG/NAME/…files")
    parser.add_argument("--port", type=int, default=8080, help="0: any free port (default: 8080)")
    options = parser.parse_args(arguments)
    try:
        hub = LocalHub.from_directory(options.directory, port=options.port)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    with hub, suppress(KeyboardInterrupt):
        sys.stdout.write(f"export HF_ENDPOINT={hub.endpoint}\n")
        sys.stdout.flush()
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
