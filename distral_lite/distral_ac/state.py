"""Settings of Distral by actor–critic, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from distral_lite import networks
from distral_lite.validation import Device, Fraction, Layers, PerRun, Positive, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train` and `exact_ascent`; the defaults are near the thesis's for two columns."""

    updates: Whole = 200  # rounds: in each, every task plays its episodes and then learns from them; the thesis has 200
    episodes: Whole = 1  # episodes of each task in a round; the thesis has one
    repeats: Whole = 1  # gradient steps on the episodes of a round; the thesis has one (for more, see `losses.weights`)
    columns: Literal[1, 2] = 2  # 2: a task acts by (2.66); 1: by (2.63) at inverse temperature beta_prime
    distil: bool = True  # False: pi_0 stays uniform, so nothing is shared: actor-critic of each task by itself
    alpha: Fraction = 0.8  # weight of the distilled policy
    beta: Positive = 5.0  # inverse temperature, in 1 / reward
    beta_prime: Positive | PerRun = 1.0  # of the one-column policy, in 1 / reward, or [R]: one a run; 1 is (2.63) as printed
    discount: Fraction = 0.95  # gamma
    critic: Literal["separate", "f"] = "separate"  # V has parameters of its own; "f": V is the soft value of f (the author's program)
    n_steps: Whole | None = 1  # rewards in a target (2.73); None: lambda-returns
    lambda_: Fraction = 1.0  # of the lambda-returns; 1: the whole episode
    keep_discount: bool = False  # True weighs step t by gamma^t, as (2.69) does; line 25 and (2.71) leave it out
    learning_rate: Positive = 3e-4  # Adam's, of the task preferences
    distil_rate: Positive = 3e-4  # Adam's, of the distilled preferences
    critic_rate: Positive = 3e-4  # Adam's, of a separate critic
    hidden: Layers | None = networks.THESIS_HIDDEN  # hidden units of the networks; None: tables
    max_episode_steps: Whole = 1000  # an episode is cut here (and bootstraps: it is a truncation)
    snapshots: Whole = 50  # copies of the policies kept for the history, equally spaced in rounds
    device: Device = "cpu"  # where the tensors live

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.snapshots > self.updates:
            self.refuse("snapshots", f"at most one an update ({self.updates})")


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        log_pi0: [R, S, A], log of the distilled policies.
        log_pi: [R, K, S, A], log of the task policies.
        f: [R, K, S, A], preferences of the tasks, in units of reward.
        value: [R, K, S], what the critics say, in units of reward; exact after `exact_ascent`.
    """

    log_pi0: Tensor
    log_pi: Tensor
    f: Tensor
    value: Tensor


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, E] float64, steps of each episode (none of them after `exact_ascent`, which plays none).
        returns: [R, K, E] float64, undiscounted rewards of each episode, without regulariser.
        snapshot_updates: [T] int64, rounds after which the policies were copied, 0 first.
        log_pi0: [R, T, S, A], the copies of the distilled policies.
        log_pi: [R, K, T, S, A], the copies of the task policies.
    """

    durations: Tensor
    returns: Tensor
    snapshot_updates: Tensor
    log_pi0: Tensor
    log_pi: Tensor


class Run(NamedTuple):
    """The result of `train` and `exact_ascent`."""

    agent: Agent
    history: History
