"""`Stage`: who drives which car, and what bots from outside a simulation see and do."""

from typing import NamedTuple

import numpy as np

from .state import GameStates, allocate, team_slots

LEARNER, OPPONENT, BOT = 0, 1, 2
"""Who drives a car: the learner; another that chooses actions as it does; a bot with controls."""

_ALIGNMENT = 64  # bytes: kernels are compiled anew for arrays that lie askew
_CONSTANT = ("car_team", "car_mask")


class Stage(NamedTuple):
    """The states that bots see and the controls that they set, where simulations share them."""

    states: GameStates  # of A arenas
    controls: np.ndarray  # [A,C,8] float32

    @classmethod
    def allocate(cls, car_mask: np.ndarray) -> "Stage":
        """A stage of its own for these arenas and slots, [A,C] bool."""
        states = allocate(car_mask, team_slots(car_mask.shape[1] // 2))
        return cls(states, np.zeros((*car_mask.shape, 8), np.float32))

    @property
    def n_bytes(self) -> int:
        """The memory that `place` takes."""
        arrays = (*self.states, self.controls)
        return sum(-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays) + _ALIGNMENT

    def place(self, memory: memoryview) -> "Stage":
        """The same stage in this memory, whose content becomes this one's."""
        address = np.frombuffer(memory, np.int8).ctypes.data
        offset = -address % _ALIGNMENT
        placed = []
        for array in (*self.states, self.controls):
            there = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
            there[...] = array
            placed.append(there)
            offset += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        *fields, controls = placed
        return Stage(GameStates(*fields), controls)

    def of(self, arenas: slice) -> "Stage":
        """That of some arenas, as views into the same memory."""
        fields = self.states._asdict()
        views = {name: array[arenas] for name, array in fields.items() if name != "car_team"}
        return Stage(self.states._replace(**views), self.controls[arenas])

    def show(self, states: GameStates, rows: slice) -> None:
        """Let bots see the states of the arenas in `rows`, which may have fewer slots."""
        for name, source in states._asdict().items():
            if name in _CONSTANT:
                continue
            target = getattr(self.states, name)[rows]
            if target.shape == source.shape:
                np.copyto(target, source)
            else:
                first_slots(target, source.shape[1])[...] = _by_team(source)

    def controls_for(self, slots: int) -> np.ndarray:
        """The controls of arenas with so many slots: [A,slots,8]."""
        return first_slots(self.controls, slots).reshape(len(self.controls), slots, 8)


def first_slots(array: np.ndarray, slots: int) -> np.ndarray:
    """Of [A,C,...] the first `slots`/2 of each team, as a view [A,2,slots/2,...]."""
    return _by_team(array)[:, :, : slots // 2]


def _by_team(array: np.ndarray) -> np.ndarray:
    arenas, slots = array.shape[:2]
    return array.reshape(arenas, 2, slots // 2, *array.shape[2:])
