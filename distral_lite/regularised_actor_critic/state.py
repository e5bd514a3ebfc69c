"""Settings of regularised actor–critic learning, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from distral_lite import networks
from distral_lite.validation import check_fraction, check_positive

PRICES = ("closed", "sampled", "naive")


@dataclass(frozen=True)
class Config:
    """Settings of `train`, the same for every lane."""

    steps: int = 50_000  # environment steps of every lane, in all its environments together
    discount: float = 0.99  # gamma
    alpha: float = 1.0  # share of the price that is paid for leaving the prior; the rest rewards entropy
    beta: float = 5.0  # inverse temperature, in units of 1 / reward
    price: str = "closed"  # KL in closed form (2.48, 2.51); or "sampled": log-ratios in delta (2.49); or "naive": no later prices (2.46)
    horizon: int = 5  # n, steps of every environment from one update to the next
    environments: int = 8  # E, environments of every lane
    lambda_: float = 1.0  # 1: as many steps as the rollout has; 0: one step; between: GAE
    actor_rate: float = 0.02  # Adam's step size for the actor
    critic_rate: float = 0.05  # and for the critic
    hidden: tuple[int, ...] | None = None  # units of the hidden layers of actor and critic; None: tables
    clip_norm: float | None = None  # longest gradient of a lane's actor, and of its critic; None: any
    max_episode_steps: int = 1000  # an episode is cut here (and bootstraps: it is a truncation)
    exploring_starts: bool = False  # start episodes anywhere instead of at the task's start
    snapshots: int = 20  # copies of policy and values kept for the history, equally spaced

    def __post_init__(self) -> None:
        """Refuses settings that make no sense, naming them."""
        function = "regularised_actor_critic.Config"
        for name in ("steps", "horizon", "environments", "max_episode_steps", "snapshots"):
            check_positive(function, name, getattr(self, name), whole=True)
        for name in ("discount", "alpha", "lambda_"):
            check_fraction(function, name, getattr(self, name))
        for name in ("beta", "actor_rate", "critic_rate"):
            check_positive(function, name, getattr(self, name))
        if self.price not in PRICES:
            raise ValueError(f"{function}: price is {self.price!r}, wanted one of {PRICES}")
        if self.clip_norm is not None:
            check_positive(function, "clip_norm", self.clip_norm)
        for i, units in enumerate(self.hidden or ()):
            check_positive(function, f"hidden[{i}]", units, whole=True)
        if self.updates < self.snapshots:
            raise ValueError(f"{function}: steps gives {self.updates} updates, wanted at least one a snapshot ({self.snapshots})")

    @property
    def updates(self) -> int:
        """How many updates `steps` allows."""
        return self.steps // (self.environments * self.horizon)


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        actor: parameters [R, K, ...]; outputs are the logits of pi(a | s).
        critic: parameters [R, K, ...]; one output, V(s), prices included (unless `price` is "naive").
        log_policy: [R, K, S, A] float32, the actor's log-probabilities in all states.
        values: [R, K, S] float32, what the critic says of them.
    """

    actor: networks.MLP | networks.Table
    critic: networks.MLP | networks.Table
    log_policy: Tensor
    values: Tensor


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, N] float64, steps of each finished episode in the order of their ends, NaN where a lane finished fewer.
        returns: [R, K, N] float64, undiscounted rewards of each finished episode, without prices, NaN likewise.
        snapshot_steps: [T] int64, environment steps of a lane after which its agent was copied, 0 first.
        log_policies: [R, K, T, S, A] float32, the copies' log-probabilities.
        values: [R, K, T, S] float32, the copies' values.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    log_policies: Tensor
    values: Tensor


class Run(NamedTuple):
    """The result of `train`."""

    agent: Agent
    history: History
