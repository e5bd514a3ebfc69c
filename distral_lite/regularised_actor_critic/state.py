"""Settings of regularised actor–critic learning, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from distral_lite import networks
from distral_lite.validation import Fraction, Layers, Positive, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`, the same for every lane."""

    steps: Whole = 50_000  # environment steps of every lane, in all its environments together
    discount: Fraction = 0.99  # gamma
    alpha: Fraction = 1.0  # share of the price that is paid for leaving the prior; the rest rewards entropy
    beta: Positive = 5.0  # inverse temperature, in units of 1 / reward
    price: Literal["closed", "sampled", "naive"] = "closed"  # of KL (2.48, 2.51); or log-ratios in delta (2.49); or no later ones (2.46)
    horizon: Whole = 5  # n, steps of every environment from one update to the next
    environments: Whole = 8  # E, environments of every lane
    lambda_: Fraction = 1.0  # 1: as many steps as the rollout has; 0: one step; between: GAE
    actor_rate: Positive = 0.02  # Adam's step size for the actor
    critic_rate: Positive = 0.05  # and for the critic
    hidden: Layers | None = None  # units of the hidden layers of actor and critic; None: tables
    clip_norm: Positive | None = None  # longest gradient of a lane's actor, and of its critic; None: any
    max_episode_steps: Whole = 1000  # an episode is cut here (and bootstraps: it is a truncation)
    exploring_starts: bool = False  # start episodes anywhere instead of at the task's start
    snapshots: Whole = 20  # copies of policy and values kept for the history, equally spaced

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.updates < self.snapshots:
            self.refuse("snapshots", f"at most one an update (steps gives {self.updates})")

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
