"""Markov decision processes as arrays: hand-computed numbers, laws of linear algebra, and oracles written as plain loops."""

import math
import re
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch

from distral_lite import mdp as M

SEEDS = range(6)
# Version 4 came with Gymnasium 1.3; the table is that of version 3.
TAXI = "Taxi-v4" if "Taxi-v4" in gymnasium.registry else "Taxi-v3"


def refuses(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def random_mdp(seed, **sizes):
    return M.random_mdp(np.random.default_rng(seed), **sizes)


def random_policy(seed, *shape):
    return torch.from_numpy(np.random.default_rng([seed, 1]).dirichlet(np.ones(shape[-1]), size=shape[:-1]))


def table(successor, probability, reward, terminal, start):
    """An MDP from nested lists, one feature a state."""
    return M.check(
        M.MDP(
            torch.tensor(successor),
            torch.tensor(probability, dtype=torch.float64),
            torch.tensor(reward, dtype=torch.float64),
            torch.tensor(terminal),
            torch.tensor(start, dtype=torch.float64),
            torch.eye(len(start)),
        )
    )


# One state, one action: the episode pays 1 and ends with probability a half. V = 1 + gamma / 2 * V.
COIN = table([[[0, 0]]], [[[0.5, 0.5]]], [[1.0]], [[[False, True]]], [1.0])
# Two states. In 0: action 0 goes to 1 and pays 1, action 1 stays and pays 0. In 1: action 0 ends and pays 10, action 1 goes to 0, -1.
PAIR = table([[[1], [0]], [[1], [0]]], [[[1], [1]], [[1], [1]]], [[1, 0], [10, -1]], [[[False], [False]], [[True], [False]]], [0.25, 0.75])


def chain_by_loops(mdp, policy):
    """P_pi (endings left out), R_pi and the chance to end, state by state and outcome by outcome, in plain Python."""
    states, actions, outcomes = mdp.successor.shape
    transition, reward, ending = np.zeros((states, states)), np.zeros(states), np.zeros(states)
    for s in range(states):
        for a in range(actions):
            reward[s] += float(policy[s, a]) * float(mdp.reward[s, a])
            for m in range(outcomes):
                chance = float(policy[s, a]) * float(mdp.probability[s, a, m])
                if mdp.terminal[s, a, m]:
                    ending[s] += chance
                else:
                    transition[s, int(mdp.successor[s, a, m])] += chance
    return transition, reward, ending


# ---- hand-computed numbers ----


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.9, 1.0])
def test_coin_by_hand(discount):
    policy = torch.ones(1, 1, dtype=torch.float64)
    wanted = 1 / (1 - discount / 2)
    assert float(M.evaluate(COIN, policy, discount)) == pytest.approx(wanted, abs=1e-14)
    assert float(M.visits(COIN, policy, discount)) == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize(("cap", "steps"), [(1, 1.0), (2, 1.5), (3, 1.75), (4, 1.875), (1000, 2.0)])
def test_steps_of_the_coin_by_hand(cap, steps):
    assert M.expected_steps(COIN, torch.ones(1, 1, dtype=torch.float64), cap) == pytest.approx(steps, abs=1e-14)


def test_pair_by_hand():
    onward = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    assert M.evaluate(PAIR, onward, 0.5).tolist() == [6.0, 10.0]  # 1 + 0.5 * 10, and 10
    assert M.visits(PAIR, onward, 0.5).tolist() == [0.25, 0.875]  # 0.75 + 0.5 * 0.25
    assert M.expected_steps(PAIR, onward) == 1.25  # two steps from state 0, one from state 1
    circle = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert M.evaluate(PAIR, circle, 0.5).tolist() == pytest.approx([2 / 3, -2 / 3], abs=1e-15)  # V0 = 1 + V1 / 2, V1 = -1 + V0 / 2
    assert M.expected_steps(PAIR, circle, cap=17) == 17.0


def test_action_values_by_hand():
    values = torch.tensor([4.0, 6.0], dtype=torch.float64)
    assert M.action_values(PAIR, values, 0.5).tolist() == [[4.0, 2.0], [10.0, 1.0]]
    assert M.action_values(PAIR, values, 0.0).tolist() == PAIR.reward.tolist()


def test_what_an_ending_leads_to_is_worth_nothing():
    values = torch.tensor([0.0, 1e9], dtype=torch.float64)
    assert float(M.action_values(PAIR, values, 0.9)[1, 0]) == 10.0


def test_policy_reward_and_transitions_by_hand():
    policy = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64)
    assert M.policy_reward(PAIR, policy).tolist() == [0.25, 4.5]
    assert M.transition_matrix(PAIR, policy).tolist() == [[0.75, 0.25], [0.5, 0.0]]  # half of state 1's chance is the ending


def test_greedy_policy_takes_the_first_of_equals():
    q = torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0], [-3.0, -2.0, -1.0]], dtype=torch.float64)
    assert M.greedy_policy(q).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert M.greedy_policy(q).dtype == q.dtype


def test_uniform_policy():
    assert M.uniform_policy(PAIR).tolist() == [[0.5, 0.5], [0.5, 0.5]]


# ---- laws, and plain loops as the oracle ----


@pytest.mark.parametrize("seed", SEEDS)
def test_transition_matrix_against_loops(seed):
    mdp, policy = random_mdp(seed, states=6), random_policy(seed, 6, 3)
    transition, reward, ending = chain_by_loops(mdp, policy)
    np.testing.assert_allclose(M.transition_matrix(mdp, policy), transition, atol=1e-15)
    np.testing.assert_allclose(M.policy_reward(mdp, policy), reward, atol=1e-15)
    np.testing.assert_allclose(M.transition_matrix(mdp, policy).sum(-1), 1 - ending, atol=1e-15)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95, 1.0])
def test_values_and_visits_against_the_power_series(seed, discount):
    mdp, policy = random_mdp(seed, states=6), random_policy(seed, 6, 3)
    transition, reward, _ = chain_by_loops(mdp, policy)
    values, visits = np.zeros(6), np.zeros(6)
    after, reached, factor = reward, mdp.start.numpy(), 1.0
    for _ in range(2000):  # sum over t of gamma^t P^t R, and of gamma^t start P^t
        values, visits = values + factor * after, visits + factor * reached
        after, reached, factor = transition @ after, reached @ transition, factor * discount
    np.testing.assert_allclose(M.evaluate(mdp, policy, discount), values, atol=1e-10)
    np.testing.assert_allclose(M.visits(mdp, policy, discount), visits, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("discount", [0.3, 0.99, 1.0])
def test_bellman_residual(seed, discount):
    mdp, policy = random_mdp(seed, states=20), random_policy(seed, 20, 3)
    values = M.evaluate(mdp, policy, discount)
    residual = (policy * M.action_values(mdp, values, discount)).sum(-1) - values
    assert float(residual.abs().max()) < 1e-12


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("discount", [0.0, 0.7, 1.0])
def test_value_of_the_start_counted_two_ways(seed, discount):
    mdp, policy = random_mdp(seed), random_policy(seed, 5, 3)
    by_state = (mdp.start * M.evaluate(mdp, policy, discount)).sum()
    by_visit = (M.visits(mdp, policy, discount) * M.policy_reward(mdp, policy)).sum()
    assert float(by_state) == pytest.approx(float(by_visit), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_visits_sum_to_the_expected_length(seed):
    mdp, policy = random_mdp(seed), random_policy(seed, 5, 3)
    assert float(M.visits(mdp, policy, 1.0).sum()) == pytest.approx(M.expected_steps(mdp, policy, cap=10_000), rel=1e-12)
    assert float(M.visits(mdp, policy, 0.9).sum()) < 10


def test_visits_of_a_policy_that_never_ends_sum_to_the_bound():
    circle = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert float(M.visits(PAIR, circle, 0.9).sum()) == pytest.approx(10.0, abs=1e-12)


@pytest.mark.parametrize("cap", [1, 2, 3, 5, 8, 13, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_expected_steps_against_forward_propagation(seed, cap):
    mdp, policy = random_mdp(seed, ending=0.05), random_policy(seed, 5, 3)
    transition, _, _ = chain_by_loops(mdp, policy)
    reached, alive = mdp.start.numpy(), 0.0
    for _ in range(cap):
        alive += reached.sum()
        reached = reached @ transition
    assert M.expected_steps(mdp, policy, cap) == pytest.approx(alive, abs=1e-12)


def test_values_against_rollouts():
    """20 000 sampled episodes; the sample mean must lie within 4.5 of its standard errors, which a right value misses once in 10^5."""
    mdp, discount = random_mdp(3, ending=0.3), 0.9
    policy = random_policy(3, 5, 3)
    rng, episodes = np.random.default_rng(0), 20_000
    state = rng.choice(5, size=episodes, p=mdp.start.numpy())
    alive, returns, length, factor = np.ones(episodes, dtype=bool), np.zeros(episodes), np.zeros(episodes), 1.0
    while alive.any():
        action = (rng.random(episodes)[:, None] > policy.numpy()[state].cumsum(-1)).sum(-1)
        outcome = (rng.random(episodes)[:, None] > mdp.probability.numpy()[state, action].cumsum(-1)).sum(-1)
        returns += alive * factor * mdp.reward.numpy()[state, action]
        length += alive
        alive &= ~mdp.terminal.numpy()[state, action, outcome]
        state, factor = mdp.successor.numpy()[state, action, outcome], factor * discount
    exact = float((mdp.start * M.evaluate(mdp, policy, discount)).sum())
    for sample, wanted in ((returns, exact), (length, M.expected_steps(mdp, policy, 10_000))):
        assert abs(sample.mean() - wanted) < 4.5 * sample.std() / math.sqrt(episodes)


@pytest.mark.parametrize("function", [M.evaluate, M.visits])
@pytest.mark.parametrize("discount", [0.8, 1.0])
def test_gradient_against_finite_differences(function, discount):
    mdp = random_mdp(0, states=4)
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3))).requires_grad_()
    torch.autograd.gradcheck(lambda x: function(mdp, x.softmax(-1), discount), logits, eps=1e-6, atol=1e-7)


def test_gradient_does_not_pass_by_the_sparse_solver(monkeypatch):
    monkeypatch.setattr(M, "DENSE_STATES", 0)
    logits = torch.zeros(5, 3, dtype=torch.float64, requires_grad=True)
    M.evaluate(random_mdp(0), logits.softmax(-1), 0.9).sum().backward()
    assert float(logits.grad.abs().max()) > 0.1


# ---- leading axes ----


@pytest.mark.parametrize("function", [M.evaluate, M.visits, lambda mdp, policy, discount: M.expected_steps(mdp, policy, 37)])
@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (2, 1)])
@pytest.mark.parametrize("dense_states", [0, 600])
def test_leading_axes_and_both_solvers(monkeypatch, function, lead, dense_states):
    """One answer for all lanes is each lane's own answer by the dense solver: policies [S, A] up to [R, K, S, A] over K = 3 tasks."""
    tasks = [random_mdp(seed, states=7) for seed in range(3)]
    policy = random_policy(0, *lead, 7, 3)
    every = policy.expand(*(lead[:-1] if lead else ()), 3, 7, 3)
    answers = [function(tasks[i[-1]], every[i], 0.9) for i in np.ndindex(*every.shape[:-2])]
    wanted = torch.stack([torch.as_tensor(answer, dtype=torch.float64) for answer in answers])
    monkeypatch.setattr(M, "DENSE_STATES", dense_states)
    found = function(M.stack(tasks), policy, 0.9)
    assert found.shape[: len(every.shape) - 2] == every.shape[:-2]
    torch.testing.assert_close(found.flatten(0, every.ndim - 3), wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dense_states", [0, 600])
def test_many_policies_of_one_task(monkeypatch, dense_states):
    mdp, policy = random_mdp(0), random_policy(0, 2, 4, 5, 3)
    wanted = torch.stack([M.evaluate(mdp, one, 0.9) for one in policy.flatten(0, 1)]).view(2, 4, 5)
    monkeypatch.setattr(M, "DENSE_STATES", dense_states)
    torch.testing.assert_close(M.evaluate(mdp, policy, 0.9), wanted, atol=1e-12, rtol=0)


def test_single_policies_get_numbers_and_many_get_tensors():
    assert isinstance(M.expected_steps(PAIR, M.uniform_policy(PAIR)), float)
    assert M.expected_steps(M.stack([PAIR, PAIR]), M.uniform_policy(PAIR)).shape == (2,)


def test_policies_of_networks_are_answered_in_double():
    policy = torch.tensor([[0.75, 0.25], [0.5, 0.5]])  # float32, and exact in it
    for function in (M.evaluate, M.visits):
        assert torch.equal(function(PAIR, policy, 0.9), function(PAIR, policy.double(), 0.9))
    assert M.expected_steps(PAIR, policy) == M.expected_steps(PAIR, policy.double())


def test_action_values_broadcast():
    tasks = [random_mdp(seed) for seed in range(3)]
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 5)))
    found = M.action_values(M.stack(tasks), values, 0.9)
    for r, k in np.ndindex(4, 3):
        torch.testing.assert_close(found[r, k], M.action_values(tasks[k], values[r, k], 0.9), atol=0, rtol=0)
    torch.testing.assert_close(M.action_values(M.stack(tasks), values[0, 0], 0.9)[2], M.action_values(tasks[2], values[0, 0], 0.9))


def test_stack_pads_outcomes():
    short, long = random_mdp(0, outcomes=1), random_mdp(1, outcomes=4)
    both, policy = M.stack([short, long]), random_policy(0, 5, 3)
    assert both.successor.shape == (2, 5, 3, 4)
    assert float(both.probability[0, ..., 1:].sum()) == 0.0 and not bool(both.terminal[0, ..., 1:].any())
    for k, mdp in enumerate((short, long)):
        torch.testing.assert_close(M.evaluate(both, policy, 0.9)[k], M.evaluate(mdp, policy, 0.9), atol=1e-14, rtol=0)
        torch.testing.assert_close(M.visits(both, policy, 1.0)[k], M.visits(mdp, policy, 1.0), atol=1e-13, rtol=0)
        assert float(M.expected_steps(both, policy)[k]) == pytest.approx(M.expected_steps(mdp, policy), abs=1e-13)


def test_stack_leaves_its_tasks_alone():
    short, long = random_mdp(0, outcomes=1), random_mdp(1, outcomes=2)
    M.stack([short, long])
    assert short.successor.shape[-1] == 1


# ---- reading Gymnasium ----


@pytest.mark.parametrize("name", ["FrozenLake-v1", "FrozenLake8x8-v1", TAXI, "CliffWalking-v1"])
def test_gymnasium_tables_are_read_entry_by_entry(name):
    env = gymnasium.make(name)
    mdp, P = M.MDP.from_gymnasium(env), env.unwrapped.P
    assert mdp.reward.shape == (env.observation_space.n, env.action_space.n)
    assert mdp.features.tolist() == np.eye(len(P)).tolist()
    np.testing.assert_array_equal(mdp.start, np.asarray(env.unwrapped.initial_state_distrib, dtype=np.float64))
    for s in P:
        for a in P[s]:
            real = [m for m in range(mdp.successor.shape[-1]) if float(mdp.probability[s, a, m]) > 0]
            found = sorted((float(mdp.probability[s, a, m]), int(mdp.successor[s, a, m]), bool(mdp.terminal[s, a, m])) for m in real)
            assert found == sorted((float(p), int(t), bool(ended)) for p, t, _, ended in P[s][a])
            assert float(mdp.reward[s, a]) == pytest.approx(sum(p * r for p, _, r, _ in P[s][a]), abs=1e-15)


def test_environments_without_a_table_are_refused():
    with pytest.raises(TypeError, match=r"MDP\.from_gymnasium: .*CartPole.* has no attribute P \(transition table\); wanted an env"):
        M.MDP.from_gymnasium(gymnasium.make("CartPole-v1"))
    env = SimpleNamespace(unwrapped=SimpleNamespace(P={0: {0: [(1.0, 0, 0.0, True)]}}))
    with pytest.raises(TypeError, match="has no attribute initial_state_distrib; wanted an environment that publishes both"):
        M.MDP.from_gymnasium(env)


def test_tables_that_are_none_are_refused():
    unwrapped = SimpleNamespace(P={0: {0: [(0.7, 0, 0.0, True)]}}, initial_state_distrib=[1.0])
    with refuses("MDP.from_table: the probabilities of table[0][0] sum to 0.7, wanted 1"):
        M.MDP.from_gymnasium(SimpleNamespace(unwrapped=unwrapped))


# ---- random MDPs ----


@pytest.mark.parametrize("seed", SEEDS)
def test_random_mdps_are_mdps_that_end(seed):
    mdp = M.check(random_mdp(seed, states=4, actions=2, outcomes=3))
    assert mdp.successor.shape == (4, 2, 3)
    assert M.visits(mdp, M.uniform_policy(mdp), 1.0).isfinite().all()  # with discount 1: refused if it might not end
    again = random_mdp(seed, states=4, actions=2, outcomes=3)
    assert all(torch.equal(a, b) for a, b in zip(mdp, again, strict=True))
    assert not torch.equal(mdp.reward, random_mdp(seed + 100, states=4, actions=2, outcomes=3).reward)


# ---- refusals ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"successor": torch.zeros(2, 2, dtype=torch.int64)}, "successor has shape (2, 2), wanted [..., S, A, M]"),
        ({"successor": PAIR.successor + 1}, "successor holds states outside 0 ... 1"),
        ({"successor": PAIR.successor - 1}, "successor holds states outside 0 ... 1"),
        ({"probability": torch.ones(2, 2)}, "probability has shape (2, 2), wanted (2, 2, 1)"),
        ({"terminal": PAIR.terminal[:1]}, "terminal has shape (1, 2, 1), wanted (2, 2, 1)"),
        ({"terminal": PAIR.terminal.long()}, "terminal has dtype torch.int64, wanted torch.bool"),
        ({"reward": torch.zeros(2)}, "reward has shape (2,), wanted (2, 2)"),
        ({"start": torch.ones(3) / 3}, "start has shape (3,), wanted (2,)"),
        ({"features": torch.eye(3)}, "features has shape (3, 3), wanted (2, 'N')"),
        (
            {"probability": PAIR.probability * 0.5},
            "probability[0, 0] = [0.5] is no distribution; wanted numbers of at least 0 that sum to 1",
        ),
        ({"start": torch.tensor([0.5, 0.4])}, "start = [0.5, 0.4] is no distribution; wanted numbers of at least 0 that sum to 1"),
        ({"reward": torch.tensor([[0.0, 1.0], [math.inf, 0.0]])}, "reward[1, 0] is inf, wanted a finite number"),
        ({"reward": torch.tensor([[math.nan, 1.0], [0.0, 0.0]])}, "reward[0, 0] is nan, wanted a finite number"),
    ],
)
def test_check_says_what_is_wrong(change, message):
    with refuses(f"mdp.check: {message}"):
        M.check(PAIR._replace(**change))
    with refuses(f"mdp.check: {message}"):
        M.stack([PAIR, PAIR._replace(**change)])


def test_check_returns_what_it_was_given():
    assert M.check(PAIR) is PAIR


def test_stack_refuses():
    with refuses("mdp.stack: the list of tasks is empty, wanted at least one MDP"):
        M.stack([])
    with refuses("mdp.stack: task 1 has (S, A, N) = (5, 3, 5), task 0 has (2, 2, 2); wanted the same states and actions"):
        M.stack([PAIR, random_mdp(0)])


CALLS = {
    "evaluate": lambda mdp, policy, discount=0.9: M.evaluate(mdp, policy, discount),
    "visits": lambda mdp, policy, discount=0.9: M.visits(mdp, policy, discount),
    "expected_steps": lambda mdp, policy: M.expected_steps(mdp, policy),
}


@pytest.mark.parametrize("name", CALLS)
def test_policies_are_checked(name):
    call = CALLS[name]
    with refuses(f"mdp.{name}: policy has shape (2, 3), wanted [..., S, A] = (2, 2)"):
        call(PAIR, torch.full((2, 3), 1 / 3))
    with refuses(f"mdp.{name}: policy has shape (2,), wanted [..., S, A] = (2, 2)"):
        call(PAIR, torch.full((2,), 0.5))
    with refuses(f"mdp.{name}: policy has shape (2, 2, 2), wanted [..., S, A] = (3, 2, 2)"):
        call(M.stack([PAIR] * 3), torch.full((2, 2, 2), 0.5))
    with refuses(f"mdp.{name}: policy[1] = [0.5, 0.25] is no distribution; wanted numbers of at least 0 that sum to 1"):
        call(PAIR, torch.tensor([[1.0, 0.0], [0.5, 0.25]]))


@pytest.mark.parametrize("name", ["evaluate", "visits"])
@pytest.mark.parametrize("discount", [-0.1, 1.1, math.nan])
def test_discounts_are_checked(name, discount):
    with refuses(f"mdp.{name}: discount is {discount!r}, wanted a number from 0 to 1"):
        CALLS[name](PAIR, M.uniform_policy(PAIR), discount)


@pytest.mark.parametrize("cap", [0, -1, 2.5])
def test_caps_are_checked(cap):
    with refuses(f"mdp.expected_steps: cap is {cap!r}, wanted an integer of at least 1"):
        M.expected_steps(PAIR, M.uniform_policy(PAIR), cap)


@pytest.mark.parametrize(
    ("name", "wanted"), [("evaluate", "end the episode, or come to rest where it is paid 0"), ("visits", "end the episode")]
)
def test_discount_one_wants_an_end_from_everywhere(name, wanted):
    circle = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)  # 0 -> 1 -> 0 -> ..., paid 1 and -1
    with refuses(f"mdp.{name}: with discount 1 the policy must {wanted}; from state 0 it never does"):
        CALLS[name](PAIR, circle, 1.0)
    with refuses(f"mdp.{name}: with discount 1 the policy must {wanted}; from state 0 it never does"):
        CALLS[name](M.stack([PAIR, PAIR]), torch.stack([M.uniform_policy(PAIR), circle]), 1.0)
    assert CALLS[name](PAIR, circle, 0.999).isfinite().all()


@pytest.mark.parametrize("dense_states", [0, 600])
def test_at_discount_one_rest_is_worth_nothing(monkeypatch, dense_states):
    """State 0 stays for ever and is paid nothing; its visits have no end."""
    monkeypatch.setattr(M, "DENSE_STATES", dense_states)
    policy = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    assert M.evaluate(PAIR, policy, 1.0).tolist() == [0.0, 10.0]
    back = torch.tensor([[0.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    assert M.evaluate(M.stack([PAIR, PAIR]), torch.stack([policy, back]), 1.0).tolist() == [[0.0, 10.0], [0.0, 4.5]]
    with refuses("mdp.visits: with discount 1 the policy must end the episode; from state 0 it never does"):
        M.visits(PAIR, policy, 1.0)


def test_an_ending_of_probability_zero_is_no_ending():
    mdp = COIN._replace(probability=torch.tensor([[[1.0, 0.0]]], dtype=torch.float64))
    wanted = "end the episode, or come to rest where it is paid 0"
    with refuses(f"mdp.evaluate: with discount 1 the policy must {wanted}; from state 0 it never does"):
        M.evaluate(mdp, torch.ones(1, 1), 1.0)


# ---- rewards of outcomes ----

LAKE = M.MDP.from_table([[[(0.25, 0, 1.0, True), (0.75, 0, -3.0, False)], [(0.25, 0, 0.1, True), (0.75, 0, 0.1, False)]]])


def test_expected_reward_and_what_outcomes_pay():
    assert LAKE.reward.tolist() == [[-2.0, 0.1]]
    assert LAKE.outcome_reward.tolist() == [[[1.0, -3.0], [0.1, 0.1]]]
    assert M.evaluate(LAKE, torch.tensor([[1.0, 0.0]]), 1.0).tolist() == [-8.0]
    assert PAIR.outcome_reward.tolist() == [[[1.0], [0.0]], [[10.0], [-1.0]]]


def test_a_new_reward_moves_what_outcomes_pay():
    moved = M.check(LAKE._replace(reward=LAKE.reward + 0.5))
    assert moved.outcome_reward.tolist() == [[[1.5, -2.5], [0.6, 0.6]]]
    same = M.check(PAIR._replace(reward=0.3 * PAIR.reward))
    assert torch.equal(same.outcome_reward[..., 0], same.reward)
    assert isinstance(moved, M.MDP) and M.MDP(*moved) == moved


def test_stack_pads_what_outcomes_pay():
    single = M.MDP.from_table([[[(1.0, 0, 5.0, True)], [(1.0, 0, 6.0, True)]]])
    both = M.stack([single, LAKE])
    assert torch.equal(both.outcome_reward[1], LAKE.outcome_reward) and both.outcome_reward[0, 0, :, 0].tolist() == [5.0, 6.0]


def test_check_wants_the_two_rewards_to_agree():
    with refuses("mdp.check: reward[0, 0] is -2.0, but outcome_reward[0, 0] has the mean -0.75; wanted the same"):
        M.check(LAKE._replace(outcome_reward=torch.tensor([[[0.0, -1.0], [0.1, 0.1]]]).double()))
    with refuses("mdp.check: outcome_reward has shape (1, 2, 1), wanted (1, 2, 2)"):
        M.check(LAKE._replace(outcome_reward=LAKE.outcome_reward[..., :1]))


# ---- ids and wrong arguments ----


def test_an_id_is_as_good_as_its_environment():
    made, named = M.MDP.from_gymnasium(gymnasium.make("FrozenLake-v1")), M.MDP.from_gymnasium("FrozenLake-v1")
    assert all(torch.equal(a, b) for a, b in zip(made, named, strict=True))
    assert sorted(named.outcome_reward.unique().tolist()) == [0.0, 1.0]
    with pytest.raises(ValueError, match=r"^MDP\.from_gymnasium: env is 'FrozenLak-v1', wanted the id of a Gymnasium environment: .*"):
        M.MDP.from_gymnasium("FrozenLak-v1")


@pytest.mark.parametrize("env", [None, 5, gymnasium.Env, [[]]])
def test_what_is_no_environment_is_refused(env):
    with refuses(f"MDP.from_gymnasium: env is {env!r}, wanted an environment, made by gymnasium.make, or the id of one", TypeError):
        M.MDP.from_gymnasium(env)


def test_the_start_of_a_table():
    ends = [(1.0, 1, 0.0, True)]
    table = [[[(1.0, 1, 2.0, True)]], [ends], [[(1.0, 0, 0.0, False)]]]
    assert M.MDP.from_table(table).start.tolist() == [0.5, 0.0, 0.5]
    assert M.MDP.from_table(table, [0, 0, 1]).start.tolist() == [0.0, 0.0, 1.0]
    with refuses("MDP.from_table: start is [1.0], wanted 3 probabilities, one a state"):
        M.MDP.from_table(table, [1.0])
    with refuses("MDP.from_table: start = [0.5, 0.4, 0.0] is no distribution; wanted numbers of at least 0 that sum to 1"):
        M.MDP.from_table(table, [0.5, 0.4, 0.0])
