"""Settings of actor–critic learning, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

from distral_lite import networks
from distral_lite.validation import Device, Fraction, Layers, NotNegative, Positive, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train` and `train_q`, the same for every lane. `Config.one_step()` gives those of the thesis's box."""

    steps: Whole = 50_000  # environment steps of every lane, in all its environments together
    discount: Fraction = 0.99  # gamma
    horizon: Whole = 5  # n, steps of every environment from one update to the next
    environments: Whole = 8  # E, environments of every lane
    lambda_: Fraction = 1.0  # 1: as many steps as the rollout has, as in A3C; 0: one step; between: GAE
    actor_rate: Positive = 1e-3  # alpha^theta, the actor's step size
    critic_rate: Positive = 1e-3  # alpha^w, the critic's
    optimiser: Literal["sgd", "rmsprop", "adam"] = "adam"  # or "rmsprop", or "sgd": plain steps along the gradient, as in the box
    entropy_bonus: NotNegative = 0.0  # weight of the policy's entropy in the actor's objective, in units of reward / nat
    keep_discount: bool = False  # True weighs a step of age t by I = gamma^t, as the box does; A3C and nearly all code leave it out
    hidden: Layers | None = None  # units of the hidden layers of actor and critic; None: tables, where states are numbered
    clip_norm: Positive | None = None  # longest gradient of a lane's actor, and of its critic; None: any
    max_episode_steps: Whole = 1000  # an episode is cut here, if the environment does not cut it before
    exploring_starts: bool = False  # start episodes anywhere (tables only)
    snapshots: Whole = 20  # copies of actor and critic kept for the history, equally spaced
    device: Device = "cpu"  # where the tensors live

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.updates < self.snapshots:
            self.refuse("snapshots", f"at most one an update (steps gives {self.updates})")

    @property
    def updates(self) -> int:
        """How many updates `steps` allows."""
        return self.steps // (self.environments * self.horizon)

    @classmethod
    def one_step(cls, **settings: Any) -> Config:
        """The thesis's box: one environment, an update after every step, plain gradients, I = gamma^t."""
        return cls(**{"horizon": 1, "environments": 1, "optimiser": "sgd", "keep_discount": True} | settings)


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        actor: parameters [R, K, ...]; outputs are the logits of pi(a | s).
        critic: parameters [R, K, ...]; one output, V(s), or A of them, Q(s, a).
    """

    actor: networks.MLP | networks.Table
    critic: networks.MLP | networks.Table


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, N] float64, steps of each finished episode in the order of their ends, NaN where a lane finished fewer.
        returns: [R, K, N] float64, undiscounted return of each finished episode, NaN likewise.
        snapshot_steps: [T] int64, environment steps of a lane after which its networks were copied, 0 first.
        actors: the T copies of the actor. (`networks.best` chooses among them.)
        policies: [R, K, T, S, A] float32, their probabilities in all states; None where states are not numbered.
        values: [R, K, T, S, 1] or, of a Q critic, [R, K, T, S, A] float32, what the critics' copies say; None likewise.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    actors: tuple[networks.MLP | networks.Table, ...]
    policies: Tensor | None
    values: Tensor | None


class Run(NamedTuple):
    """The result of `train` and `train_q`."""

    agent: Agent
    history: History
