"""Files that wait to be imported: private, found by each process of the machine, and gone with the one they came to."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from time import time

import pytest

from bitting.records.waiting import MAX_SECONDS, WaitingFiles

_KEEPS = """
import sys
from io import BytesIO
from pathlib import Path
from bitting.records.waiting import WaitingFiles
files = WaitingFiles(Path(sys.argv[1]))
files.keep("theirs", BytesIO(b"a file"))
print("kept", flush=True)
sys.stdin.read()
"""


def content(files: WaitingFiles, name: str) -> bytes:
    with files.open(name) as file:
        return file.read()


def test_each_process_finds_the_files_of_all(tmp_path: Path) -> None:
    first, second = WaitingFiles(tmp_path), WaitingFiles(tmp_path)
    assert first.keep("one", BytesIO(b"a file")) == 6
    second.keep("two", BytesIO(b"another"))
    assert (content(second, "one"), content(first, "two")) == (b"a file", b"another")
    second.drop("one")
    with pytest.raises(FileNotFoundError):
        first.open("one")


def test_nobody_else_can_look_into_a_folder(tmp_path: Path) -> None:
    """One that others can look into is none of ours, whatever it is called."""
    files = WaitingFiles(tmp_path)
    files.keep("one", BytesIO(b"a file"))
    (folder,) = tmp_path.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "one")] == [0o700, 0o600]
    folder.chmod(0o755)
    with pytest.raises(FileNotFoundError):
        WaitingFiles(tmp_path).open("one")


def test_closing_leaves_nothing_but_what_others_took_in(tmp_path: Path) -> None:
    first, second = WaitingFiles(tmp_path), WaitingFiles(tmp_path)
    first.keep("one", BytesIO(b"a file"))
    second.keep("two", BytesIO(b"another"))
    first.close()
    assert [path.name for path in tmp_path.glob("*/*")] == ["two"]
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_when_the_next_begins(tmp_path: Path) -> None:
    """And not while it lives."""
    with subprocess.Popen(
        [sys.executable, "-c", _KEEPS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kept\n"
        files = WaitingFiles(tmp_path)
        files.clear()
        assert content(files, "theirs") == b"a file"
        process.kill()
        process.wait()
        files.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_came_back_for_goes(tmp_path: Path) -> None:
    """When another one is taken in."""
    files = WaitingFiles(tmp_path)
    files.keep("old", BytesIO(b"a file"))
    (old,) = tmp_path.glob("*/old")
    then = time() - MAX_SECONDS - 60
    os.utime(old, (then, then))
    files.keep("new", BytesIO(b"another"))
    assert [path.name for path in tmp_path.glob("*/*")] == ["new"]


def test_a_file_that_can_not_be_read_to_its_end_is_not_kept(tmp_path: Path) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        WaitingFiles(tmp_path).keep("one", Broken())
    assert list(tmp_path.glob("*/*")) == []


def test_a_folder_that_somebody_cleared_up_is_made_again(tmp_path: Path) -> None:
    files = WaitingFiles(tmp_path)
    files.keep("one", BytesIO(b"a file"))
    (folder,) = tmp_path.iterdir()
    (folder / "one").unlink()
    folder.rmdir()
    files.keep("two", BytesIO(b"another"))
    assert content(files, "two") == b"another"


def test_processes_that_begin_and_end_at_once_lose_nothing(tmp_path: Path) -> None:
    """A folder that was just made isn't taken for one that was left."""

    def live(number: int) -> None:
        for life in range(25):
            files = WaitingFiles(tmp_path)
            for file in range(2):
                name = f"{number}-{life}-{file}"
                files.keep(name, BytesIO(name.encode()))
                assert content(files, name) == name.encode()
            files.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(live, range(8)))
    assert list(tmp_path.iterdir()) == []
