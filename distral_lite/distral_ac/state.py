"""Settings of Distral by actor–critic, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from distral_lite import networks
from distral_lite.validation import check_fraction, check_positive

CRITICS = ("separate", "f")


@dataclass(frozen=True)
class Config:
    """Settings of `train` and `exact_ascent`; the defaults are near the thesis's for two columns."""

    updates: int = 200  # rounds: in each, every task plays its episodes and then learns from them; the thesis has 200
    episodes: int = 1  # episodes of each task in a round; the thesis has one
    repeats: int = 1  # gradient steps on the episodes of a round; the thesis has one (for more, see `losses.weights`)
    columns: int = 2  # 2: a task acts by (2.66); 1: by (2.63) at inverse temperature beta_prime
    distil: bool = True  # False: pi_0 stays uniform, so nothing is shared: actor-critic of each task by itself
    alpha: float = 0.8  # weight of the distilled policy
    beta: float = 5.0  # inverse temperature, in 1 / reward
    beta_prime: float | Tensor = 1.0  # of the one-column policy, in 1 / reward, or [R]: one a run; 1 is (2.63) as printed
    discount: float = 0.95  # gamma
    critic: str = "separate"  # V has parameters of its own; "f": V is the soft value of f (the author's program)
    n_steps: int | None = 1  # rewards in a target (2.73); None: lambda-returns
    lambda_: float = 1.0  # of the lambda-returns; 1: the whole episode
    keep_discount: bool = False  # True weighs step t by gamma^t, as (2.69) does; line 25 and (2.71) leave it out
    learning_rate: float = 3e-4  # Adam's, of the task preferences
    distil_rate: float = 3e-4  # Adam's, of the distilled preferences
    critic_rate: float = 3e-4  # Adam's, of a separate critic
    hidden: tuple[int, ...] | None = networks.THESIS_HIDDEN  # hidden units of the networks; None: tables
    max_episode_steps: int = 1000  # an episode is cut here (and bootstraps: it is a truncation)
    snapshots: int = 50  # copies of the policies kept for the history, equally spaced in rounds
    device: str = "cpu"  # where the tensors live

    def __post_init__(self) -> None:
        """Refuses settings that make no sense, naming them."""
        function = "distral_ac.Config"
        for name in ("updates", "episodes", "repeats", "max_episode_steps", "snapshots"):
            check_positive(function, name, getattr(self, name), whole=True)
        for name in ("alpha", "discount", "lambda_"):
            check_fraction(function, name, getattr(self, name))
        for name in ("beta", "beta_prime", "learning_rate", "distil_rate", "critic_rate"):
            check_positive(function, name, getattr(self, name))
        for i, units in enumerate(self.hidden or ()):
            check_positive(function, f"hidden[{i}]", units, whole=True)
        if self.n_steps is not None:
            check_positive(function, "n_steps", self.n_steps, whole=True)
        if self.columns not in (1, 2):
            raise ValueError(f"{function}: columns is {self.columns!r}, wanted 1 or 2")
        if self.critic not in CRITICS:
            raise ValueError(f"{function}: critic is {self.critic!r}, wanted one of {CRITICS}")
        if self.snapshots > self.updates:
            raise ValueError(f"{function}: snapshots is {self.snapshots}, wanted at most one an update ({self.updates})")


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
