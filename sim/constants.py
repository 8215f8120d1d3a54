"""The field in numbers: lengths in uu (1 cm), speeds in uu/s, angles in rad.

Source: RLGym v2 `common_values` and RocketSim's RLConst, unless a line says otherwise.
"""

import numpy as np

# Time
TICKS_PER_SECOND = 120
TICK_SKIP = 8  # ticks an action is held
STEPS_PER_SECOND = TICKS_PER_SECOND / TICK_SKIP

# Field
SIDE_WALL_X = 4096.0
BACK_WALL_Y = 5120.0
BACK_NET_Y = 6000.0
CEILING_Z = 2044.0
CORNER_CUT = 1152.0
GOAL_HEIGHT = 642.775
GOAL_HALF_WIDTH = 892.755
GOAL_THRESHOLD_Y = 5215.5  # a ball centre beyond it is in the goal
GOAL_BACK_Z = GOAL_HEIGHT / 2  # the goal-back point is (0, ±BACK_NET_Y, GOAL_BACK_Z)

# Ball and cars
BALL_RADIUS = 91.25
BALL_RADIUS_V1 = 92.75  # RLGym v1.2; the published reward formulas use it
BALL_REST_Z = 93.15
BALL_MAX_SPEED = 6000.0
CAR_MAX_SPEED = 2300.0
CAR_MAX_ANGULAR_SPEED = 5.5
CAR_REST_Z = 17.0
KICKOFF_BOOST = 1 / 3  # of a full tank
DOUBLE_JUMP_MAX_DELAY = 1.25  # s after a jump in which the second jump or flip is there

BLUE, ORANGE = 0, 1

# Kickoff places of blue (x, y, yaw); orange's are turned by half a turn about z.
KICKOFF_SPOTS = np.array(
    [
        (-2048.0, -2560.0, 0.25 * np.pi),
        (2048.0, -2560.0, 0.75 * np.pi),
        (-256.0, -3840.0, 0.5 * np.pi),
        (256.0, -3840.0, 0.5 * np.pi),
        (0.0, -4608.0, 0.5 * np.pi),
    ]
)

N_BOOST_PADS = 34
# RLGym's pad order, which is also RocketSim's.
BOOST_PAD_POSITIONS = np.array(
    [
        (0, -4240, 70),
        (-1792, -4184, 70),
        (1792, -4184, 70),
        (-3072, -4096, 73),
        (3072, -4096, 73),
        (-940, -3308, 70),
        (940, -3308, 70),
        (0, -2816, 70),
        (-3584, -2484, 70),
        (3584, -2484, 70),
        (-1788, -2300, 70),
        (1788, -2300, 70),
        (-2048, -1036, 70),
        (0, -1024, 70),
        (2048, -1036, 70),
        (-3584, 0, 73),
        (-1024, 0, 70),
        (1024, 0, 70),
        (3584, 0, 73),
        (-2048, 1036, 70),
        (0, 1024, 70),
        (2048, 1036, 70),
        (-1788, 2300, 70),
        (1788, 2300, 70),
        (-3584, 2484, 70),
        (3584, 2484, 70),
        (0, 2816, 70),
        (-940, 3310, 70),
        (940, 3308, 70),
        (-3072, 4096, 73),
        (3072, 4096, 73),
        (-1792, 4184, 70),
        (1792, 4184, 70),
        (0, 4240, 70),
    ],
    dtype=np.float32,
)
