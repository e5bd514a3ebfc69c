"""The equation ledger, thesis 2.1 to 2.16 (chapter 01) and what its section 2.1.2 says of Q-learning: one test a row."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from equation_tools import CHAIN, FORK, ONLY, always, close, errata_of, f64, outcomes, random_mdp, random_policy, table

from distral_lite import dynamic_programming as D
from distral_lite import lanes
from distral_lite import mdp as M
from distral_lite import q_learning as Q

ROOT = Path(__file__).parent.parent


# ---- section 2.1: MDPs ----


def test_2_1_return():
    """The chain pays 1, 2, 3: G_0 = 6, G_1 = 5, G_2 = 3. The log of episodes reports G_0."""
    close(M.evaluate(CHAIN, ONLY, 1.0), [6.0, 5.0, 3.0])
    world, log = lanes.make_world([CHAIN], [0]), lanes.EpisodeLog(1, 1)
    world.reset()
    for _ in range(6):
        log.record(world.step(torch.zeros(1, 1, dtype=torch.int64)))
    assert log.returns().tolist() == [[[6.0, 6.0]]]


def test_2_2_sequence_of_transitions():
    """S_0 A_0 R_1 S_1 A_1 R_2 S_2 ...: the reward of an action comes with the next state."""
    world = lanes.make_world([CHAIN], [0])
    sequence = [int(world.reset())]
    for _ in range(3):
        seen = world.step(torch.zeros(1, 1, dtype=torch.int64))
        sequence += ["A", float(seen.reward), int(seen.next_observation)]
    assert sequence == [0, "A", 1.0, 1, "A", 2.0, 2, "A", 3.0, 2] and bool(seen.terminal)


def two_steps(mdp, second):
    """P(S_0, A_0, S_1, A_1, S_2) by enumeration, where A_0 is uniform and A_1 has the probabilities second[s_0, a_0, s_1]."""
    flow = torch.stack([M.transition_matrix(mdp, always(mdp, *[a] * 4)) for a in range(2)], dim=1)  # [S, A, S]
    return torch.einsum("s,sat,satb,tbu->satbu", mdp.start / 2, flow, second, flow)


def test_2_3_markov_property():
    """Corrected, it holds in every MDP whatever the agent remembers; as printed, it fails for an agent that repeats its first action, and
    holds for one that acts at random though it sees too little for the world to be Markov."""
    mdp = random_mdp(0, states=4, actions=2)
    mdp = mdp._replace(terminal=torch.zeros_like(mdp.terminal))
    stubborn = torch.eye(2).double().view(1, 2, 1, 2).expand(4, 2, 4, 2)
    mixed = 0.9 * stubborn + 0.05
    joint = two_steps(mdp, mixed)
    given_all = joint / joint.sum(-1, keepdim=True)
    given_last = joint.sum((0, 1)) / joint.sum((0, 1, 4)).unsqueeze(-1)
    possible = joint.sum(-1) > 0
    gap = (given_all - given_last).abs().amax(-1)
    assert float(gap[possible].max()) < 1e-12  # P(S_2 | S_0, A_0, S_1, A_1) = P(S_2 | S_1, A_1)

    def printed_gap(joint):
        """How far P(A_1 | S_0, S_1) is from P(A_1 | S_1)."""
        with_past, without = joint.sum((1, 4)), joint.sum((0, 1, 4))
        ratio = with_past / with_past.sum(-1, keepdim=True) - without / without.sum(-1, keepdim=True)
        return float(ratio[with_past.sum(-1) > 0].abs().max())

    assert printed_gap(joint) > 0.1
    uniform = two_steps(mdp, torch.full((4, 2, 4, 2), 0.5, dtype=torch.float64))
    assert printed_gap(uniform) < 1e-12
    half = uniform.view(2, 2, 2, 2, 2, 2, 2, 2).sum((1, 4, 7))  # states 0 and 1 look alike, and 2 and 3: [O_0, A_0, O_1, A_1, O_2]
    blurred = half / half.sum(-1, keepdim=True) - half.sum((0, 1)) / half.sum((0, 1, 4)).unsqueeze(-1)
    assert float(blurred.nan_to_num().abs().max()) > 0.05  # its world is not Markov, and the printed line does not notice


def test_2_4_discounted_return():
    """1 + 0.5 * 2 + 0.25 * 3 = 2.75, and G_t = R_{t+1} + gamma * G_{t+1}."""
    values = M.evaluate(CHAIN, ONLY, 0.5)
    close(values, [2.75, 3.5, 3.0])
    close(values[:2], f64(1, 2) + 0.5 * values[1:])
    endless = table([[0]], [[1]], [[False]])
    close(M.evaluate(endless, torch.ones(1, 1), 0.9), [10.0])  # no end, and yet a finite return: 1 / (1 - gamma)


def test_2_5_state_value():
    """The expectation, taken by listing every course of ten steps with its probability and its return."""
    mdp, discount = random_mdp(1, states=3, actions=1), 0.1
    values = M.evaluate(mdp, torch.ones(3, 1), discount)
    for s in range(3):
        courses, expectation = [(1.0, 0.0, s)], 0.0
        for t in range(10):
            longer = []
            for chance, amount, here in courses:
                for p, r, there, ended in outcomes(mdp, here, 0):
                    course = (chance * p, amount + discount**t * r, there)
                    if ended:
                        expectation += course[0] * course[1]
                    else:
                        longer.append(course)
            courses = longer
        expectation += sum(chance * amount for chance, amount, _ in courses)  # cut: what is left counts 1e-10 of its amount
        assert float(values[s]) == pytest.approx(expectation, abs=1e-9)


def test_2_6_policy():
    """Rows of probabilities, and actions drawn from one come as often as it says."""
    q = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 3)))
    for policy in (Q.epsilon_greedy(q, 0.3), M.greedy_policy(q), M.uniform_policy(random_mdp(0, states=6))):
        assert policy.shape == (6, 3) and float(policy.min()) >= 0
        close(policy.sum(-1), torch.ones(6))
    policy = Q.epsilon_greedy(q[0], 0.3)
    drawn = lanes.sample(policy.cumsum(-1).expand(20_000, 3), lanes.LaneRandom([0], [0]).uniform(20_000)[0, 0])
    share = torch.bincount(drawn, minlength=3) / 20_000
    assert float(((share - policy).abs() / (policy * (1 - policy) / 20_000).sqrt()).max()) < 4.5


def test_before_2_7_transitions_under_a_policy():
    """The sum is the chance to be in s' next, whatever the action. As printed, given the action too, it would be a number an action; and
    the "expectation of a state" changes with the numbers that states happen to have."""
    mdp, policy = random_mdp(0, states=4), random_policy(0, 4, 3)
    mdp = mdp._replace(terminal=torch.zeros_like(mdp.terminal))
    chain, wanted, by_action = M.transition_matrix(mdp, policy), np.zeros((4, 4)), np.zeros((4, 3, 4))
    for s, a in np.ndindex(4, 3):
        for p, _, there, _ in outcomes(mdp, s, a):
            wanted[s, there] += float(policy[s, a]) * p
            by_action[s, a, there] += p
    close(chain, wanted)
    close(chain.sum(-1), torch.ones(4))
    assert np.abs(by_action - wanted[:, None]).max() > 0.3  # given the action it is another number
    close(chain[2], mdp.start.new_tensor([0, 0, 1, 0]) @ chain)
    names, renamed = f64(0, 1, 2, 3), f64(3, 2, 1, 0)
    assert float((chain @ names - chain @ renamed).abs().max()) > 0.1  # "E[S']" under two ways to number the same states


def test_before_2_7_reward_under_a_policy():
    """A quarter of 2 and three quarters of 5 are 4.25. The printed sum of probabilities is 1 here, whatever is paid."""
    policy = f64(0.5, 0.5, 0.25, 0.75).view(2, 2)
    close(M.policy_reward(FORK, policy), [1.0, 4.25])
    chance_of_its_reward = torch.ones(2, 2, dtype=torch.float64)  # P(R = r | s, a): rewards are not random here
    close((policy * chance_of_its_reward).sum(-1), [1.0, 1.0])


def test_2_7_state_value_from_action_values():
    """V = sum_a pi Q on random MDPs. With R_t, what came before, the chain's second state would be worth 1 + 3 / 2 instead of 2 + 3 / 2."""
    for seed in range(5):
        mdp, policy = random_mdp(seed), random_policy(seed, 5, 3)
        values = M.evaluate(mdp, policy, 0.9)
        close((policy * M.action_values(mdp, values, 0.9)).sum(-1), values)
    values = M.evaluate(CHAIN, ONLY, 0.5)
    reward_before = CHAIN.reward[0, 0]  # R_1, if t = 1 and S_1 = 1
    assert float(values[1]) == 3.5 and float(reward_before + 0.5 * values[2]) == 2.5


def test_2_8_action_value():
    """In the fork the two actions are worth 2 and 5. As printed both would be worth R_t = 1, what was paid on the way there."""
    values = M.evaluate(FORK, M.uniform_policy(FORK), 0.9)
    close(M.action_values(FORK, values, 0.9)[1], [2.0, 5.0])
    printed = FORK.reward[0, 0] + 0.9 * (FORK.probability * ~FORK.terminal * values[FORK.successor]).sum(-1)[1]
    close(printed, [1.0, 1.0])
    mdp, policy = random_mdp(3), random_policy(3, 5, 3)
    values = M.evaluate(mdp, policy, 0.9)
    for s, a in np.ndindex(5, 3):
        wanted = sum(p * (r + 0.9 * float(values[there]) * (not ended)) for p, r, there, ended in outcomes(mdp, s, a))
        assert float(M.action_values(mdp, values, 0.9)[s, a]) == pytest.approx(wanted, abs=1e-12)


# ---- section 2.1.2: with and without a model ----


def test_text_2_1_2_dyna_q():
    """The course spells it Dyna-Q; the other spelling occurs in errata only, as often as it is corrected there."""
    for script in (ROOT / "chapters").glob("*.py"):
        text = script.read_text(encoding="utf-8")
        errata = " ".join(errata_of(text))
        assert text.count("Dina") == errata.count("Dina") <= errata.count("Dyna-Q"), script.name
    assert all("Dina" not in script.read_text(encoding="utf-8") for script in (ROOT / "distral_lite").rglob("*.py"))


def test_text_2_1_2_q_learning_estimates_the_optimum():
    """An agent that acts at random for ever learns Q*, exactly in a world without chance, and not the value of what it does."""
    mdp = table([[1, 0], [2, 0], [2, 1]], [[-1, -1], [-1, -1], [9, -1]], [[False, False], [False, False], [True, False]])
    config = Q.Config(steps=600, discount=0.9, learning_rate=1.0, epsilon=1.0, initial_value=-20.0, snapshots=1)
    q = Q.train([mdp], config, range(3)).agent.q
    random = M.uniform_policy(mdp)
    close(q, D.policy_iteration(mdp, 0.9).q.expand(3, 1, 3, 2))
    own = M.action_values(mdp, M.evaluate(mdp, random, 0.9), 0.9)
    assert float((q - own).abs().max()) > 2


# ---- section 2.1.3: policy iteration ----


def test_2_9_bellman_expectation_for_v():
    """The residual of the exact solve, with the expectation written as a sum over actions and outcomes."""
    for seed in range(3):
        mdp, policy = random_mdp(seed), random_policy(seed, 5, 3)
        values = M.evaluate(mdp, policy, 0.9)
        for s in range(5):
            mean = sum(
                float(policy[s, a]) * p * (r + 0.9 * float(values[there]) * (not ended))
                for a in range(3)
                for p, r, there, ended in outcomes(mdp, s, a)
            )
            assert abs(mean - float(values[s])) < 1e-12


def test_2_10_bellman_expectation_for_q():
    """The same for Q; the next action is drawn from the policy."""
    for seed in range(3):
        mdp, policy = random_mdp(seed), random_policy(seed, 5, 3)
        q = M.action_values(mdp, M.evaluate(mdp, policy, 0.9), 0.9)
        for s, a in np.ndindex(5, 3):
            mean = sum(p * (r + 0.9 * float(policy[t] @ q[t]) * (not ended)) for p, r, t, ended in outcomes(mdp, s, a))
            assert abs(mean - float(q[s, a])) < 1e-12


def test_2_11_bellman_optimality_for_v():
    """V* is the fixed point with max. With arg max the right side is a number of an action, 0, 1 or 2, far from any value."""
    for seed in range(3):
        mdp = random_mdp(seed)
        values = D.policy_iteration(mdp, 0.9).values
        close(D.optimality_backup(mdp, values, 0.9), values)
        printed = M.action_values(mdp, values, 0.9).argmax(-1).double()
        assert set(printed.tolist()) <= {0.0, 1.0, 2.0} and float((printed - values).abs().max()) > 0.5
    close(D.policy_iteration(FORK, 0.9).values, [1 + 0.9 * 5, 5.0])


def test_2_12_bellman_optimality_for_q():
    """Q* is what the target of Q-learning is on average, outcome by outcome."""
    for seed in range(3):
        mdp = random_mdp(seed)
        q = D.policy_iteration(mdp, 0.9).q
        for s, a in np.ndindex(5, 3):
            mean = sum(p * float(Q.q_target(f64(r), f64(0.9 * (not ended)), q[None, t])) for p, r, t, ended in outcomes(mdp, s, a))
            assert abs(mean - float(q[s, a])) < 1e-12


def every_policy(mdp, discount):
    """V and Q of all deterministic policies: [A^S, S], [A^S, S, A]."""
    states, actions = mdp.reward.shape
    values = torch.stack([M.evaluate(mdp, always(mdp, *choice), discount) for choice in itertools.product(range(actions), repeat=states)])
    return values, torch.stack([M.action_values(mdp, one, discount) for one in values])


def test_2_13_optimal_state_value():
    """The best of all deterministic policies, in every state at once; and no policy that draws its actions does better."""
    mdp = random_mdp(5, states=4, actions=2)
    values, _ = every_policy(mdp, 0.9)
    best = values.max(0).values
    close(D.policy_iteration(mdp, 0.9).values, best)
    close(D.value_iteration(mdp, 0.9, 1e-13).values, best, 1e-11)
    assert bool((values == best).all(-1).any() | ((values - best).abs().amax(-1) < 1e-12).any())
    drawn = torch.stack([M.evaluate(mdp, random_policy(seed, 4, 2), 0.9) for seed in range(100)])
    assert bool((drawn <= best + 1e-12).all())


def test_2_14_optimal_action_value():
    mdp = random_mdp(6, states=4, actions=2)
    _, q = every_policy(mdp, 0.9)
    close(D.policy_iteration(mdp, 0.9).q, q.max(0).values)
    close(D.value_iteration(mdp, 0.9, 1e-13).q, q.max(0).values, 1e-11)


def test_2_15_evaluation_sweeps():
    """From any V_0 the sweeps come nearer to V_pi by the factor gamma each time."""
    mdp, policy = random_mdp(7), random_policy(7, 5, 3)
    exact, values = M.evaluate(mdp, policy, 0.7), f64(50, -50, 0, 7, 1)
    for _ in range(120):
        before, values = values, D.evaluation_backup(mdp, policy, values, 0.7)
        assert float((values - exact).abs().max()) <= 0.7 * float((before - exact).abs().max()) + 1e-13
    close(values, exact)


def test_2_16_evaluation_sweep_written_out():
    """The double sum over actions and outcomes, in plain loops, is the sweep."""
    mdp, policy, values = random_mdp(8, outcomes=3), random_policy(8, 5, 3), f64(1, -2, 3, -4, 5)
    wanted = [0.0] * 5
    for s, a in np.ndindex(5, 3):
        for p, r, there, ended in outcomes(mdp, s, a):
            wanted[s] += float(policy[s, a]) * p * (r + 0.9 * float(values[there]) * (not ended))
    close(D.evaluation_backup(mdp, policy, values, 0.9), wanted)


def test_box_iterative_policy_evaluation():
    """In place: with two states, the second of which looks at the first, the second sees the first's new value in the same sweep."""
    pair = table([[0], [0]], [[1], [1]], [[False], [False]])
    policy = torch.ones(2, 1, dtype=torch.float64)
    for threshold, sweeps, values in ((1.6, 1, [1.0, 1.5]), (0.6, 2, [1.5, 1.75]), (0.3, 3, [1.75, 1.875])):
        found, count = D.iterative_policy_evaluation(pair, policy, 0.5, threshold)
        assert (found.tolist(), count) == (values, sweeps)
    mdp, policy = random_mdp(9), random_policy(9, 5, 3)
    close(D.iterative_policy_evaluation(mdp, policy, 0.9, 1e-13)[0], M.evaluate(mdp, policy, 0.9), 1e-11)


def test_text_2_1_3_improvement():
    """From the value of a policy, improvement loses nothing. From an unfinished iterate it may: the thesis's V' >= V_{k+1} fails."""
    for seed in range(20):
        mdp, policy = random_mdp(seed), random_policy(seed, 5, 3)
        values = M.evaluate(mdp, policy, 0.9)
        better = M.evaluate(mdp, D.improve(M.action_values(mdp, values, 0.9), policy), 0.9)
        assert bool((better >= values - 1e-12).all())
    stay = table([[0]], [[-1]], [[False]])  # V_0 = 0, V_1 = -1, and one more maximisation gives -1.5
    first = D.optimality_backup(stay, f64(0), 0.5)
    assert (float(first), float(D.optimality_backup(stay, first, 0.5))) == (-1.0, -1.5)
    # Going pays 0 and leads to 4, taking pays 1 and ends. Greedy for V_0 = 0 takes, which is worse than going, the policy it "improves".
    trip = table([[1, 1], [1, 1]], [[0, 1], [4, 4]], [[False, True], [True, True]])
    going = always(trip, 0, 0)
    hasty = D.improve(M.action_values(trip, f64(0, 0), 0.9), going)
    close(M.evaluate(trip, going, 0.9), [3.6, 4.0])
    close(M.evaluate(trip, hasty, 0.9), [1.0, 4.0])


def test_box_policy_iteration():
    """It reaches the optimum; and where two actions tie, a box whose arg max takes the first in one round and the last in the next is
    never stable, with exact values too, while ours stops. (Staying pays 1 for ever, leaving pays 2 once; gamma is a half.)"""
    for seed in range(5):
        mdp = random_mdp(seed)
        exact = D.policy_iteration(mdp, 0.9)
        values, policy, _ = D.policy_iteration_by_sweeps(mdp, 0.9, 1e-11)
        close(values, exact.values, 1e-9)
        assert torch.equal(policy, exact.policy)
    tie = table([[0, 0]], [[1, 2]], [[False, True]])
    policy, changed = always(tie, 0), []
    for round in range(100):
        q = M.action_values(tie, M.evaluate(tie, policy, 0.5), 0.5)
        assert q.tolist() == [[2.0, 2.0]]  # exactly, in every round: no rounding is to blame
        new = always(tie, 1 - round % 2)
        changed.append(not torch.equal(new, policy))
        policy = new
    assert all(changed)
    assert torch.equal(D.improve(q, policy), policy)
    values, _, sweeps = D.policy_iteration_by_sweeps(tie, 0.5)
    close(values, [2.0], 1e-7)
    assert sweeps < 100
