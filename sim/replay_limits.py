"""How long a replay may keep the processor busy: a bad one 20 s, a good one as long as it gets on.

Processor time, so that a busy machine refuses nothing that an idle one takes. Clocks on the
wall only end what hangs without working.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

PARSER_SECONDS = 6.0  # of the processor; a whole game takes 0.3
READER_SECONDS = 14.0  # of the processor, for all but the frames; a whole game takes 2
SECONDS_A_FRAME = 0.005  # of the processor; a game's take 0.0006
HANG_SECONDS = 2400.0  # on the wall, for one file; a whole game takes 5 on an idle machine

_POLL_SECONDS = 0.1


class OverTimeError(Exception):
    """A process has used up its time and was ended."""


def processor_seconds(process: psutil.Process) -> float:
    """Processor time that a process has taken, 0 once it is gone."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def allowed_seconds(frames: float) -> float:
    """Processor time that reading a file may have taken after so many frames."""
    return READER_SECONDS + SECONDS_A_FRAME * frames


def run_within(
    command: Sequence[str], seconds: float, log: Path, environment: dict[str, str]
) -> int:
    """Run a program that writes its complaints into a file.

    Args:
        command: the program and its arguments.
        seconds: of the processor, that it may take.
        log: of the complaints.
        environment: of the program.

    Returns:
        Its exit status.

    Raises:
        OverTimeError: it took longer, or hung.
    """
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
        ) as process,
    ):
        watched = psutil.Process(process.pid)
        try:
            for _ in range(int(HANG_SECONDS / _POLL_SECONDS)):
                try:
                    return process.wait(_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    if processor_seconds(watched) > seconds:
                        break
            raise OverTimeError
        finally:
            process.kill()  # no harm once it has ended


def end_with_children(pid: int) -> None:
    """Kill a process and whatever it has started."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.Error:
        return
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            continue
