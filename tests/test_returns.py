"""Returns and advantages: literal numbers, limits, and plain loops over one episode after another as the oracle."""

import numpy as np
import pytest
import torch

from distral_lite import mdp, returns

# Two episodes and the beginning of a third, in one sequence: the first is cut by its time limit, the second ends, the third is going on.
GAMMA = 0.5
REWARD = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0], dtype=torch.float64)
TERMINAL = torch.tensor([False, False, False, True, False])
TRUNCATED = torch.tensor([False, True, False, False, False])
VALUE = torch.tensor([3.0, 5.0, 7.0, 9.0, 11.0], dtype=torch.float64)
NEXT_VALUE = torch.tensor([5.0, 100.0, 9.0, 1000.0, 10.0], dtype=torch.float64)  # 100 where it was cut; 1000 must never be seen
DISCOUNT = returns.discounts(GAMMA, TERMINAL)


def test_a_time_out_keeps_its_discount():
    assert DISCOUNT.tolist() == [0.5, 0.5, 0.5, 0.0, 0.5]


def test_discounted_returns_in_numbers():
    found = returns.discounted_returns(REWARD, DISCOUNT, TRUNCATED, NEXT_VALUE)
    # 2 + 0.5 * 100 = 52 and 1 + 0.5 * 52 = 27; 8 and 4 + 0.5 * 8 = 8; 16 + 0.5 * 10 = 21
    assert found.tolist() == [27.0, 52.0, 8.0, 8.0, 21.0]


def test_one_episode_to_its_end():
    terminal = torch.tensor([False, False, True])
    found = returns.discounted_returns(torch.tensor([1.0, 1.0, 1.0]), returns.discounts(0.9, terminal))
    torch.testing.assert_close(found, torch.tensor([2.71, 1.9, 1.0], dtype=torch.float64))


def test_two_step_returns_in_numbers():
    found = returns.n_step_returns(REWARD, DISCOUNT, NEXT_VALUE, 2, TRUNCATED)
    # the first looks at both rewards of its episode, the second is cut after one, the fourth ends, the fifth has one step only
    assert found.tolist() == [27.0, 52.0, 8.0, 8.0, 21.0]
    # where nothing is in the way, two rewards and gamma^2 V: 1 + 0.5 * 2 + 0.25 * 4 and so on
    reward, value = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([8.0, 4.0, 8.0, 4.0])
    found = returns.n_step_returns(reward, torch.full((4,), 0.5), value, 2)
    assert found.tolist() == [1 + 1 + 1, 2 + 1.5 + 2, 3 + 2 + 1, 4 + 2]


def test_n_step_error_takes_n_rewards_and_discounts_the_value_n_times():
    """(2.32), corrected: with R = 1, 1, 1, V = 64 everywhere and gamma = 1/2, the 3-step error is 1 + 1/2 + 1/4 + 64/8 - 64."""
    reward, value = torch.ones(3), torch.full((3,), 64.0)
    error = returns.n_step_errors(reward, torch.full((3,), 0.5), value, value, 3)
    assert error.tolist() == [-54.25, 1 + 0.5 + 16 - 64, 1 + 32 - 64]
    as_printed = 1 + 0.5 + 0.25 * 64 - 64  # R_{t+1} + gamma R_{t+2} + gamma^2 V(S_{t+3}) - V(S_t)
    assert float(error[0]) != as_printed


def test_advantages_in_numbers():
    # delta = 1 + 2.5 - 3, 2 + 50 - 5, 4 + 4.5 - 7, 8 - 9, 16 + 5 - 11
    assert returns.td_errors(REWARD, DISCOUNT, VALUE, NEXT_VALUE).tolist() == [0.5, 47.0, 1.5, -1.0, 10.0]
    found = returns.advantages(REWARD, DISCOUNT, VALUE, NEXT_VALUE, 0.5, TRUNCATED)
    # 0.5 + 0.25 * 47; 47; 1.5 - 0.25; -1; 10
    assert found.tolist() == [12.25, 47.0, 1.25, -1.0, 10.0]


def by_hand(reward, terminal, truncated, value, next_value, gamma, n, lambda_):
    """n-step return, lambda-return and advantage of one sequence, from the sums that define them, one step at a time."""
    length = len(reward)
    ends = [t for t in range(length) if terminal[t] or truncated[t] or t == length - 1]

    def steps_return(t, m):
        """The sum of at most m rewards from t on, with the value of where they led."""
        end = next(e for e in ends if e >= t)
        last = min(t + m - 1, end)
        total = sum(gamma ** (i - t) * reward[i] for i in range(t, last + 1))
        return total + (0 if terminal[last] else gamma ** (last - t + 1) * next_value[last])

    n_step, mixture, advantage = [], [], []
    for t in range(length):
        left = next(e for e in ends if e >= t) - t + 1  # steps to the end; the longest return takes all the weight that is left
        n_step.append(steps_return(t, n))
        mixture.append(
            sum((1 - lambda_) * lambda_ ** (m - 1) * steps_return(t, m) for m in range(1, left))
            + lambda_ ** (left - 1) * steps_return(t, left)
        )
        deltas = [reward[i] + (0 if terminal[i] else gamma * next_value[i]) - value[i] for i in range(t, t + left)]
        advantage.append(sum((gamma * lambda_) ** i * delta for i, delta in enumerate(deltas)))
    return n_step, mixture, advantage


@pytest.mark.parametrize("seed", range(20))
def test_against_plain_loops(seed):
    random = np.random.default_rng(seed)
    length, n, gamma, lambda_ = int(random.integers(1, 12)), int(random.integers(1, 9)), random.random(), random.random()
    reward, value, next_value = random.normal(size=(3, 2, 3, length))
    terminal = random.random((2, 3, length)) < 0.2
    truncated = ~terminal & (random.random((2, 3, length)) < 0.2)
    arrays = reward, terminal, truncated, value, next_value
    lanes = [[by_hand(*(array[r, k] for array in arrays), gamma, n, lambda_) for k in range(3)] for r in range(2)]
    n_step, mixture, advantage = torch.tensor(lanes, dtype=torch.float64).movedim(2, 0)
    reward, terminal, truncated, value, next_value = map(torch.from_numpy, arrays)
    discount = returns.discounts(gamma, terminal)
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(returns.n_step_returns(reward, discount, next_value, n, truncated), n_step, **close)
    torch.testing.assert_close(returns.n_step_errors(reward, discount, value, next_value, n, truncated), n_step - value, **close)
    torch.testing.assert_close(returns.lambda_returns(reward, discount, next_value, lambda_, truncated), mixture, **close)
    torch.testing.assert_close(returns.advantages(reward, discount, value, next_value, lambda_, truncated), advantage, **close)


def sequence(seed=0, shape=(2, 3, 7)):
    random = np.random.default_rng(seed)
    reward, value, next_value = (torch.from_numpy(array) for array in random.normal(size=(3, *shape)))
    terminal = torch.from_numpy(random.random(shape) < 0.15)
    truncated = ~terminal & torch.from_numpy(random.random(shape) < 0.15)
    return reward, returns.discounts(0.9, terminal), value, next_value, truncated


def test_limits():
    reward, discount, value, next_value, truncated = sequence()
    one_step = reward + discount * next_value
    everything = returns.discounted_returns(reward, discount, truncated, next_value)
    same = torch.testing.assert_close
    same(returns.n_step_returns(reward, discount, next_value, 1, truncated), one_step)
    same(returns.lambda_returns(reward, discount, next_value, 0.0, truncated), one_step)
    same(returns.n_step_returns(reward, discount, next_value, 7, truncated), everything)
    same(returns.n_step_returns(reward, discount, next_value, 10**6, truncated), everything)
    same(returns.lambda_returns(reward, discount, next_value, 1.0, truncated), everything)
    same(returns.advantages(reward, discount, value, next_value, 0.0, truncated), one_step - value)
    reward, discount, value, _, _ = sequence(1)
    next_value = torch.cat([value[..., 1:], torch.ones_like(value[..., :1])], -1)  # consistent values: no borders but the last
    everything = returns.discounted_returns(reward, discount, None, next_value)
    same(returns.advantages(reward, discount, value, next_value, 1.0), everything - value)
    same(returns.advantages(reward, discount, value, next_value, 0.3), returns.lambda_returns(reward, discount, next_value, 0.3) - value)


@pytest.mark.parametrize("border", ["terminal", "truncated"])
def test_nothing_flows_back_across_the_border_of_an_episode(border):
    reward, discount, value, next_value, truncated = sequence()
    if border == "terminal":
        discount[..., 3] = 0.0
    else:
        truncated[..., 3] = True
    changed = [array.clone() for array in (reward, value, next_value)]
    for array in changed:
        array[..., 4:] += 1e6
    for function in (
        lambda r, v, w: returns.n_step_returns(r, discount, w, 5, truncated),
        lambda r, v, w: returns.lambda_returns(r, discount, w, 0.95, truncated),
        lambda r, v, w: returns.advantages(r, discount, v, w, 0.95, truncated),
        lambda r, v, w: returns.discounted_returns(r, discount, truncated, w),
    ):
        assert torch.equal(function(reward, value, next_value)[..., :4], function(*changed)[..., :4])


def test_the_value_after_a_terminal_step_is_never_seen():
    reward, discount, value, next_value, truncated = sequence()
    spoiled = torch.where(discount == 0, 1e9, next_value)
    for n in (1, 3, 7):
        found = returns.n_step_returns(reward, discount, next_value, n, truncated)
        assert torch.equal(found, returns.n_step_returns(reward, discount, spoiled, n, truncated))
    found = returns.advantages(reward, discount, value, next_value, 0.9, truncated)
    assert torch.equal(found, returns.advantages(reward, discount, value, spoiled, 0.9, truncated))


def test_expected_td_error_is_the_advantage_where_values_are_exact():
    """(2.30) on a small MDP: sum_s' P(s' | s, a) delta(s, a, s') = Q(s, a) - V(s), for every state and action."""
    task = mdp.random_mdp(np.random.default_rng(3))
    policy = mdp.uniform_policy(task)
    value = mdp.evaluate(task, policy, 0.9)
    discount = returns.discounts(0.9, task.terminal)  # [S, A, M]
    here = value[:, None, None].expand_as(discount)
    delta = returns.td_errors(task.reward[..., None], discount, here, value[task.successor])
    expected = (task.probability * delta).sum(-1)
    torch.testing.assert_close(expected, mdp.action_values(task, value, 0.9) - value[:, None], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: returns.discounts(1.1, TERMINAL), r"discounts: gamma is 1.1, wanted a number from 0 to 1"),
        (lambda: returns.discounts(0.9, TERMINAL.float()), r"discounts: terminal has type torch.float32, wanted torch.bool"),
        (lambda: returns.n_step_returns(REWARD, DISCOUNT, NEXT_VALUE, 0), r"n_step_returns: n is 0, wanted an integer of at least 1"),
        (lambda: returns.lambda_returns(REWARD, DISCOUNT, NEXT_VALUE, 1.5), r"lambda_returns: lambda_ is 1.5"),
        (lambda: returns.advantages(REWARD, DISCOUNT, VALUE, NEXT_VALUE, -0.1), r"advantages: lambda_ is -0.1"),
        (lambda: returns.lambda_returns(REWARD, DISCOUNT[:3], NEXT_VALUE, 0.5), r"lambda_returns: discount has shape \(3,\), wanted"),
        (lambda: returns.n_step_returns(REWARD, DISCOUNT, NEXT_VALUE[:4], 2), r"n_step_returns: next_value has shape \(4,\)"),
        (lambda: returns.discounted_returns(REWARD[:0], DISCOUNT[:0]), r"reward has shape \(0,\), wanted at least one step"),
    ],
)
def test_errors_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()
