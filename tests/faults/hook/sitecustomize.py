"""Kills its own process at a rename: on PYTHONPATH, and told by MADV_FAULT which, as `pattern|when|number|mark`.

`when` is half (the file is half written), before or after the rename; `number` counts the renames of one process whose
target fits the pattern; the file `mark` is made by the first process that gets there, which is the only one to die.
"""

import contextlib
import fnmatch
import os
import signal

if fault := os.environ.get("MADV_FAULT"):
    pattern, when, number, mark = fault.split("|")
    rename, left = os.replace, int(number)

    def replace(source: str, target: str, **options: int) -> None:
        """os.replace, but for one call."""
        global left
        if fnmatch.fnmatch(os.path.basename(target), pattern):
            left -= 1
            if left == 0:
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                    if when == "half":
                        os.truncate(source, os.path.getsize(source) // 2)
                    if when == "after":
                        rename(source, target, **options)
                    os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target, **options)

    os.replace = replace
