"""`lucy train`: from a config to checkpoints, resumable at any moment."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from torch import Tensor

from ..rewards.errors import RewardError
from ..rewards.function import is_compiled
from ..sim.memory import SavedError
from ..sim.shell import shell_line
from ..sim.vec_env import RocketLeagueVecEnv
from ..sim.workers import WorkerError
from . import checkpoint
from .config import ConfigError, TrainConfig, change, load_preset
from .environment import build_env, build_workers_env
from .errors import LucyError
from .games import restore_games, save_games
from .league.environment import LeagueVecEnv, build_league_env
from .league.league import League
from .metrics import RolloutMetrics, open_logger
from .model import build_model
from .opponents.guard import BotFailedError
from .ppo import AuxPPO, NonFiniteLossError
from .progress import Interruption, ProgressCallback, stop_on_interrupt
from .reset_mix import resets_notice
from .run_dir import RunDirectory, saved_settings
from .run_reward import (
    alone_notice,
    changes_notice,
    check_kept,
    fingerprint,
    keep_reward,
    kept_reward,
    original_notice,
)
from .store_writer import StoreWriter, stored
from .training_rating import TrainingRating, check_anchors
from .typed_paths import placed


class TrainResult(NamedTuple):
    """How a training ended."""

    checkpoint: Path | None  # the newest whole one
    steps: int  # that it has seen
    interrupted: bool  # by the user


def versions(config: TrainConfig) -> dict[str, str]:
    """What a checkpoint says of its making."""
    reward = fingerprint(config.environment.reward_spec)
    return needed_versions(config) | {"lucy": version("lucy-skg"), "reward": reward}


def needed_versions(config: TrainConfig) -> dict[str, str]:
    """What a checkpoint must agree with to be used."""
    return {
        "observation": config.environment.observation_kind.version,
        "action": config.environment.action_table,
    }


def start_settings(
    run_dir: Path, preset: str, changes: Mapping[str, Any], resume: bool
) -> TrainConfig:
    """The config of a new run, or that of the run to resume, with changes.

    A resumed run has the reward that it keeps itself, unless `environment.reward` is changed.
    Paths in the changes become absolute, so that they hold in any folder.

    Raises:
        ConfigError: see `load_preset`.
        CheckpointError: nothing to resume from, or nothing whole.
    """
    changes = placed(changes)
    if not resume:
        return load_preset(preset, changes)
    newest = checkpoint.newest(run_dir / "checkpoints")
    if newest is None:  # killed before its first checkpoint
        source, saved = run_dir / "config.json", saved_settings(run_dir)
        reward = kept_reward(run_dir, None)
    else:
        source, loaded = newest, checkpoint.load(newest)
        saved, wanted = loaded.config, loaded.versions.get("reward")
        reward = None if wanted is None else kept_reward(run_dir, wanted)
    if "environment.reward" in changes:
        reward = None
    try:
        return change(saved, changes, reward)
    except ConfigError:
        environment = saved.get("environment")
        if reward is not None and isinstance(environment, Mapping):
            check_kept(reward, environment.get("reward"))
        _check_saved(source, saved, reward)
        raise


def _check_saved(source: Path, saved: Mapping[str, Any], reward: Path | None) -> None:
    """Let an error name the file, where it is in what was saved and not in what is changed."""
    try:
        change(saved, {}, reward)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def train(
    config: TrainConfig,
    run_dir: Path,
    *,
    resume: bool = False,
    device: torch.device | None = None,
    console: Console | None = None,
    seconds: float = float("inf"),
    store: str | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    callbacks: Sequence[BaseCallback] = (),
) -> TrainResult:
    """Train until the config's steps are done, the user interrupts, or the time is up.

    After every iteration a checkpoint is written to `run_dir`/checkpoints.

    Args:
        config: what to train.
        run_dir: where everything goes; in use by one training at a time.
        resume: go on from its newest whole checkpoint.
        device: default the CPU.
        console: default none is written to.
        seconds: after which the training ends, with its last iteration left out, if that is
            not its only one.
        store: URL of the database that gets every iteration; one that fails is warned of and
            does not end the training. Default none.
        workers: so many rollout workers, in Ray, share the arenas; by default this process and
            its children play all games.
        ray_address: of a running Ray for them; by default one is started for this training.
        callbacks: called as Stable-Baselines3 does, beside ours.

    Raises:
        RunDirectoryError: the directory is not writable, in use, or not to be resumed.
        CheckpointError: a checkpoint does not fit the config or cannot be written.
        BotError: there is no such anchor to rate against.
        NonFiniteLossError: see `AuxPPO.train`.
        LucyError: the device's memory is too small; the message names the settings to lower.
    """
    console = console or Console(quiet=True)
    check_anchors(config.rating)
    if notice := resets_notice(config.environment):
        console.print(notice)
    if not is_compiled():
        console.print("Compiling kernels, on the first start alone: about half a minute …")
    with RunDirectory(run_dir, resume=resume) as run, stop_on_interrupt(seconds) as interruption:
        chosen = device or torch.device("cpu")
        try:
            env = _build_env(config, run, chosen, workers, ray_address, console)
            try:
                return _train(config, run, env, chosen, console, interruption, store, callbacks)
            finally:
                env.close()
        except RewardError as error:
            raise LucyError(_reward_failed(config, run, error)) from error
        except BotFailedError as error:
            raise LucyError(f"{error}. Mend it. {_go_on(run)}") from error
        except WorkerError as error:
            if isinstance(error.failure, RewardError):
                raise LucyError(_reward_failed(config, run, error.failure)) from error
            if error.failure is not None:
                raise error.failure from error
            raise LucyError(str(error)) from error
        except NonFiniteLossError as error:
            raise NonFiniteLossError(_not_finite(config, run, error)) from error
        except torch.OutOfMemoryError as error:
            raise LucyError(_out_of_memory(config, run, chosen)) from error


def _build_env(
    config: TrainConfig,
    run: RunDirectory,
    device: torch.device,
    workers: int | None,
    ray_address: str | None,
    console: Console,
) -> RocketLeagueVecEnv:
    """The environment that is asked for.

    Raises:
        ConfigError: rollout workers and a league at once; see the functions that build it.
    """
    if workers is not None and config.league.share:
        raise ConfigError(
            f"league.share is {config.league.share}, and rollout workers play no league: train "
            "without --workers, or with --set league.share=0"
        )
    if workers is not None:
        return build_workers_env(config, workers, ray_address, console.print)
    if config.league.share:
        return build_league_env(config, run.checkpoints, needed_versions(config), device)
    return build_env(config.environment, config.seed)


def _train(
    config: TrainConfig,
    run: RunDirectory,
    env: RocketLeagueVecEnv,
    device: torch.device,
    console: Console,
    interruption: Interruption,
    store: str | None,
    callbacks: Sequence[BaseCallback],
) -> TrainResult:
    model = build_model(config, env, device)
    if run.resume_from is not None:
        notice = restore(model, env, config, run.resume_from)
        begun = f"Resuming {run.resume_from} at {model.num_timesteps:,} steps. {notice}"
        console.print(begun)
    _keep_reward(config, run, console)
    checkpoint.write_json_atomically(run.config_file, config.model_dump(mode="json"))
    logger = open_logger(run, model.num_timesteps)
    model.set_logger(logger)
    store_writer = None
    if store is not None:
        about = {"config": config.model_dump(mode="json"), "versions": versions(config)}
        store_writer = StoreWriter(
            store, run, model.num_timesteps, console, device=str(device), **about
        )
        logger.output_formats.append(store_writer)
    model.bad_batch_directory = run.path
    league = _league(model)
    saved = run.resume_from
    if league is not None:
        console.print(league.cast.notice)
        if saved is None:
            saved = _first_past_self(model, config, run, league)
    steps = model.num_timesteps

    rating = TrainingRating(config, run, steps, console, store=store_writer)

    def log_and_save(model: AuxPPO) -> None:
        nonlocal saved, steps
        rating.record(model.logger)
        if league is not None:
            league.end_iteration(
                checkpoint.step_name(model.num_timesteps), model.policy.state_dict()
            )
            for name, value in league.metrics().items():
                model.logger.record(name, value)
        model.logger.dump(model.num_timesteps)
        saved, steps = save(model, config, run), model.num_timesteps
        rating.start(saved, steps)
        needed = rating.needed | (set() if league is None else league.needed)
        kept = config.checkpoints
        checkpoint.prune(run.checkpoints, kept.keep_newest, kept.keep_every, needed)

    model.after_iteration = log_and_save
    progress = ProgressCallback(console, config.steps, interruption)
    terms = [term.name for term in config.environment.reward_spec.terms]
    with stored(store_writer, interruption):
        try:
            if model.num_timesteps < config.steps:
                model.learn(
                    config.steps - model.num_timesteps,
                    CallbackList([RolloutMetrics(terms), progress, *callbacks]),
                    log_interval=None,  # pyright: ignore[reportArgumentType]  # after the update
                    reset_num_timesteps=False,
                )
        finally:
            progress.close()
            rating.close()
            model.logger.close()
    return TrainResult(saved, steps, interruption.by_user)


def _go_on(run: RunDirectory, *setting: str) -> str:
    """How to go on after an error: with what was saved, if anything was."""
    changes = ("--set", *setting) if setting else ()
    if checkpoint.newest(run.checkpoints) is None:
        again = "No checkpoint was saved yet: give the same command again"
        return f"{again} with {shell_line(*changes)}" if changes else again
    command = shell_line("lucy", "train", "--resume", "--run-dir", run.path, *changes)
    return f"Go on from the newest checkpoint: {command}"


def _keep_reward(config: TrainConfig, run: RunDirectory, console: Console) -> None:
    """Keep the reward with the run, and say what the user should know of its file and the copy."""
    reward, spec = config.environment.reward, config.environment.reward_spec
    folder = keep_reward(run.path, spec)
    notice = original_notice(config, folder) if run.resume else alone_notice(spec, folder, reward)
    if notice:
        console.print(notice)


def _out_of_memory(config: TrainConfig, run: RunDirectory, device: torch.device) -> str:
    piece = config.learner.piece or config.ppo.batch_size
    arenas, n_steps = config.environment.arenas, config.ppo.n_steps
    fewer = f"learner.piece={piece // 4 or 1}" if piece > 1 else "environment.arenas=FEWER"
    return (
        f"{device} ran out of memory. Lower learner.piece (an update's samples at a time, now "
        f"{piece}), or else environment.arenas (now {arenas}) or ppo.n_steps (now {n_steps}), "
        f"which the rollout's memory grows with. {_go_on(run, fewer)}"
    )


def _not_finite(config: TrainConfig, run: RunDirectory, error: NonFiniteLossError) -> str:
    if "observations" in error.broken or "rewards" in error.broken:
        return f"{error} Such an observation or reward is not learnt from: look where it comes from"
    rate = f"ppo.learning_rate={config.ppo.learning_rate / 2:g}"
    return f"{error} The learning rate may be too high. {_go_on(run, rate)}"


def _reward_failed(config: TrainConfig, run: RunDirectory, error: RewardError) -> str:
    reward = f"environment.reward={config.environment.reward}"
    return f"{error}. Mend it. {_go_on(run, reward)}"


def _first_past_self(
    model: AuxPPO, config: TrainConfig, run: RunDirectory, league: League
) -> Path | None:
    """Save the fresh policy, so that the league has somebody to begin with."""
    if league.past is None:
        return None
    league.past.add(checkpoint.step_name(model.num_timesteps), model.policy.state_dict())
    return save(model, config, run)


def save(model: AuxPPO, config: TrainConfig, run: RunDirectory) -> Path:
    """Write a checkpoint of the training, its games and its league into its run.

    Raises:
        CheckpointError: it cannot be written.
    """
    policy, league = model.policy, _league(model)
    counters: dict[str, Any] = {"steps": model.num_timesteps, "updates": model._n_updates}
    if league is not None:
        counters["league"] = league.state()
    return checkpoint.save(
        run.checkpoints,
        model.num_timesteps,
        policy=policy.state_dict(),
        optimizer=checkpoint.optimizer_tensors(policy.optimizer, policy),
        auxiliary=_task_tensors(model),
        games=save_games(model, config),
        config=config.model_dump(mode="json"),
        counters=counters,
        versions=versions(config),
        random_state=checkpoint.capture_random_state(model.device),
    )


def _league(model: AuxPPO) -> League | None:
    """The league that the model's games have, if they have one."""
    return model.env.league if isinstance(model.env, LeagueVecEnv) else None


def _task_tensors(model: AuxPPO) -> dict[str, Tensor]:
    """Weights and optimizer of the auxiliary tasks."""
    if not model.tasks:
        return {}
    state = checkpoint.optimizer_tensors(model.tasks_optimizer, model.tasks)
    tensors = {f"tasks.{name}": tensor for name, tensor in model.tasks.state_dict().items()}
    return tensors | {f"optimizer.{name}": tensor for name, tensor in state.items()}


def _restore_tasks(model: AuxPPO, loaded: checkpoint.Checkpoint) -> None:
    weights, state = (
        {
            name.removeprefix(prefix): tensor
            for name, tensor in loaded.auxiliary.items()
            if name.startswith(prefix)
        }
        for prefix in ("tasks.", "optimizer.")
    )
    checkpoint.load_policy_tensors(model.tasks, weights, source=loaded.path)
    if model.tasks:
        checkpoint.load_optimizer_tensors(
            model.tasks_optimizer, model.tasks, state, source=loaded.path
        )


def restore(model: AuxPPO, env: RocketLeagueVecEnv, config: TrainConfig, path: Path) -> str:
    """Put model, random numbers and games where a checkpoint left them.

    Games that do not fit the config, or that it does not hold, start anew.

    Returns:
        Which of the two, and what else is other than in the checkpoint, for the user.

    Raises:
        CheckpointError: it does not fit the config.
    """
    loaded = checkpoint.load(path, model.device, needed_versions(config))
    checkpoint.load_policy_tensors(model.policy, loaded.policy, source=path)
    checkpoint.load_optimizer_tensors(
        model.policy.optimizer, model.policy, loaded.optimizer, source=path
    )
    if model.tasks or loaded.auxiliary:
        _restore_tasks(model, loaded)
    model.num_timesteps = loaded.counters["steps"]
    model._n_updates = loaded.counters["updates"]
    if isinstance(env, LeagueVecEnv):
        folders = reversed(checkpoint.step_folders(path.parent))
        before = [folder.name for folder in folders if folder.name <= path.name]
        env.league.restore(loaded.counters.get("league"), before)
    checkpoint.restore_random_state(loaded.random_state, model.device)
    # Should there be new episodes, then not those that the run began with
    sequence = np.random.SeedSequence([config.seed, model.num_timesteps])
    env.seed(int(sequence.generate_state(1)[0]))
    try:
        restore_games(model, config, loaded.games, loaded.config)
        games = "The games go on."
    except SavedError as error:
        games = f"The games start anew: {error}."
    changes = changes_notice(config, versions(config), loaded.config, loaded.versions)
    return f"{games} {changes}".rstrip()
