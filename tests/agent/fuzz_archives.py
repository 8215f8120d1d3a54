"""Mutated TorchScript archives: `python -m tests.agent.fuzz_archives 5000` from the root.

Every one must be read or refused with a reason: no other exception, no code run, no hang.
"""

import pickle
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from lucy.agent.opponents.bot_files import BotFileError, import_bot

from .archives import Canary, Published, changed, pickle_of, torchscript

SLOW = 5.0  # s of the processor


def fuzz_archives(archives: list[bytes], count: int, seed: int, folder: Path) -> Counter[str]:
    """Import mutated archives.

    Args:
        archives: whole ones.
        count: of mutations.
        seed: of all of them.
        folder: to write them to; LUCY_BOTS should lie in it.

    Returns:
        How many were "read" and how many "refused".
    """
    rng, outcomes = random.Random(seed), Counter[str]()
    canary, path = folder / "code-was-run", folder / "mutated.pt"
    hostile = pickle.dumps(Canary(canary), 2)
    for number in range(count):
        path.write_bytes(mutated(rng, rng.choice(archives), hostile))
        begun = time.process_time()
        try:
            import_bot(path, f"mutated-{number}")
            outcomes["read"] += 1
        except BotFileError as error:
            assert str(error).startswith(str(path)), (number, error)
            outcomes["refused"] += 1
        assert time.process_time() - begun < SLOW, number
        assert not canary.exists(), number
    return outcomes


def mutated(rng: random.Random, archive: bytes, hostile: bytes) -> bytes:
    """The archive, spoilt in one way of several."""
    kind = rng.randrange(6)
    if kind == 0:  # anywhere in the file
        return _spoilt(rng, archive, archive)
    if kind == 1:  # in the zip's directory
        start = archive.rindex(
            b"PK\x01\x02", 0, len(archive) - 2000 if rng.random() < 0.5 else None
        )
        return archive[:start] + _spoilt(rng, archive[start:], archive)
    name = pickle_of(archive)

    def change(entries: dict[str, bytes]) -> None:
        data = entries[name]
        if kind == 2:  # in the pickle
            entries[name] = _spoilt(rng, data, data)
        elif kind == 3:  # a hostile one inside it
            at = rng.randrange(len(data))
            entries[name] = data[:at] + hostile[2:-1] + data[at:]
        elif kind == 4:  # in any entry, or its name
            victim = rng.choice(list(entries))
            content = entries.pop(victim)
            if rng.random() < 0.5:
                entries[victim] = _spoilt(rng, content, archive)
            else:
                renamed = rng.choice(["../", "/", "archive/data/", "archive/code/", "\\", "a:"])
                entries[renamed + victim[rng.randrange(len(victim)) :]] = content
        else:  # two entries change places
            one, other = rng.sample(list(entries), 2)
            entries[one], entries[other] = entries[other], entries[one]

    return changed(archive, change)


def _spoilt(rng: random.Random, data: bytes, source: bytes) -> bytes:
    """With bytes changed, cut out or copied in from `source`."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at = rng.randrange(max(len(out), 1))
        length = rng.choice([1, 1, 2, 4, 20, 200])
        match rng.randrange(5):
            case 0:
                out[at : at + length] = rng.randbytes(length)
            case 1:
                del out[at : at + length]
            case 2:
                start = rng.randrange(len(source))
                out[at:at] = source[start : start + length]
            case 3:
                out[at : at + 4] = rng.choice(
                    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"]
                )
            case _:
                del out[rng.choice([at, len(out) - length]) :]
                if len(out) < len(data) // 2 and rng.random() < 0.8:
                    out += data[len(out) :]
    return bytes(out)


if __name__ == "__main__":
    import os

    torch.manual_seed(0)
    whole = [
        torchscript(Published(nexto), traced=t) for nexto in (False, True) for t in (False, True)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LUCY_BOTS"] = str(Path(scratch) / "bots")
        print(fuzz_archives(whole, int(sys.argv[1]), seed=1, folder=Path(scratch)))
