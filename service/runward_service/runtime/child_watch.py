"""What a run left behind in its worker: processes and threads."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading

READ_BYTES = 4096


class ChildWatch:
    """Notices processes that a run left behind: children of this process, and orphans that the keeper took in."""

    def __init__(self, keeper: int, own_thread: str) -> None:
        """Take what there is now, after setup, as the plugin's own, and threads named ``own_thread`` as the host's."""
        self._own_thread = own_thread
        self._own_threads = set(threading.enumerate())
        self._threads: list[str] = []
        self._children_fds: list[int] = []
        self._tasks_fd = os.open("/proc/self/task", os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        self._keeper_fd = os.open(f"/proc/{keeper}/task/{keeper}/children", os.O_RDONLY | os.O_CLOEXEC)
        self._before = self._look()
        self._reaped = self._reap_count()
        self._peak_bytes = self.peak_bytes()

    def outgrew(self, limit_bytes: int) -> bool:
        """Whether a child that has ended took more memory than that. The keeper's watch may not have seen it: a child
        can take it all, and end for want of more, between two of its looks.
        """
        return self.peak_bytes() > max(limit_bytes, self._peak_bytes)

    @staticmethod
    def peak_bytes() -> int:
        """The most resident memory of any child that has ended and been waited for."""
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024

    def changed(self) -> bool:
        """Whether there are other processes than before the first run, threads that a run began and did not end, or
        that cannot be told.
        """
        if not self._own_threads.issuperset(threading.enumerate()) and self._left_threads():
            return True
        if self._never_forked():
            return False
        try:
            return self._look() != self._before
        except OSError:
            return True

    def _left_threads(self) -> bool:
        return any(t not in self._own_threads and t.name != self._own_thread for t in threading.enumerate())

    def _never_forked(self) -> bool:
        """Whether this process has no child and has reaped none since the last look, so that no process can have been
        left to the keeper. Two calls of the kernel, where a look at /proc takes ten times as long.
        """
        if signal.getsignal(signal.SIGCHLD) is not signal.SIG_DFL:
            return False  # ignored, children end without being counted
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            before, self._reaped = self._reaped, self._reap_count()
            return before == self._reaped
        except OSError:
            return False
        return False

    @staticmethod
    def _reap_count() -> int:
        """Rises with every child that is reaped: each has faulted pages in."""
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_minflt + usage.ru_majflt

    def _look(self) -> tuple[bytes, bytes]:
        threads = os.listdir(self._tasks_fd)  # noqa: PTH208 - between any two runs, on an open folder
        if threads != self._threads:
            self._open(threads)
        own = b"".join(sorted(os.pread(descriptor, READ_BYTES, 0) for descriptor in self._children_fds))
        return os.pread(self._keeper_fd, READ_BYTES, 0), own

    def _open(self, threads: list[str]) -> None:
        for descriptor in self._children_fds:
            os.close(descriptor)
        self._threads, self._children_fds = threads, []
        for thread in threads:
            with contextlib.suppress(OSError):  # a thread may end meanwhile
                path = f"{thread}/children"
                self._children_fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._tasks_fd))
