# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A · Glossary and notation
#
# What the symbols mean, what they are called in the code, in which unit they are, and the chapter that introduces them; then the words of
# the course, one sentence each. Symbols are the thesis's. Where it uses one letter for two things, both are listed.
#
# Rewards have a unit, call it *reward*; values, advantages and prices are in the same unit. Entropies and divergences are in *nats*. So a
# temperature is in reward per nat, and $\beta$, its inverse, in 1 / reward (a nat is a number).
#
# What a name of the second column is, its source says; every chapter shows it this way:

# %%
from distral_lite import soft
from distral_lite.widgets import show_source

show_source(soft.one_step_target)

# %% [markdown]
# ## A.1 Worlds
#
# | symbol | in code | meaning | unit | chapter |
# |:---|:---|:---|:---|:---|
# | $s$, $S_t$ | `state`, `observation` | where the agent is; its number, or what a network sees of it | | 01 |
# | $a$, $A_t$ | `action` | what it does | | 01 |
# | $R_{t+1}$, $R(s, a)$ | `reward` | what the step from $S_t$ pays; $R_t$ from section 2.5.3 on | reward | 01 |
# | $P(s' \mid s, a)$ | `probability`, `successor` | the chances of an action's outcomes, and where they lead | | 01 |
# | $d$ | `terminal` | the step ended the episode: nothing that follows counts | | 01 |
# | | `truncated` | the episode was cut after this step by a limit; it would have gone on, so its value still counts | | 01 |
# | $\gamma$ | `discount` | how much less a reward counts one step later; as an array, $\gamma (1 - d)$ | | 01 |
# | | `start` | the distribution of $S_0$ | | 01 |
# | | `features` | what a network is given for a state | | 01 |
#
# ## A.2 Policies and values
#
# | symbol | in code | meaning | unit | chapter |
# |:---|:---|:---|:---|:---|
# | $\pi(a \mid s)$ | `policy`, `log_policy` | the chance to take $a$ in $s$, and its logarithm | | 01 |
# | $P_\pi$, $R_\pi$ | `transition_matrix`, `policy_reward` | the world as it is for one who follows $\pi$ | | 01 |
# | $G_t$ | `return_to_go`, `discounted_returns` | the return: discounted sum of the rewards from step $t$ on | reward | 01 |
# | $V_\pi(s)$ | `values`, `value` | what a state is worth on average under $\pi$ | reward | 01 |
# | $Q_\pi(s, a)$ | `q`, `action_values` | what an action is worth there, with $\pi$ afterwards | reward | 01 |
# | $V_*$, $Q_*$ | `policy_iteration`, `value_iteration` | those of the best policy | reward | 01 |
# | $\Delta$, $\theta$ (boxes of 2.1.3) | `threshold` | the largest change of a sweep, and the one at which to stop | reward | 01 |
# | $d_\gamma(s)$, $d_i(s)$ | `visits` | discounted visits: $\sum_t \gamma^t P(S_t = s)$ | steps | 01 |
# | $\mu(s)$ | `start`, or shares of `visits` | how often a state occurs: in one decision, or in the long run | | 04 |
# | $\alpha$ (chapter 02 to 05) | `learning_rate` and other rates | size of a step of learning; not the $\alpha$ of chapter 06 | | 02 |
# | $\epsilon$ | `epsilon` | share of actions taken at random | | 02 |
# | $J(\theta)$ | `objective` | what a policy is judged by: its value at the start | reward | 04 |
#
# ## A.3 Learning
#
# | symbol | in code | meaning | unit | chapter |
# |:---|:---|:---|:---|:---|
# | $\theta$, $w$, $v$ | `network`, `actor`, `critic` | parameters: of values, or of the policy and its critic | | 03 |
# | $\theta^-$, $\hat Q$ | `q_target`, `target_every` | the target network, a copy that is renewed every $C$ steps | | 03 |
# | $y$ | `target`, `td_target` | what a value is moved to; no gradient flows through it | reward | 03 |
# | $D$, $N$ | `memory`, `capacity` | the replay memory, and how many transitions it holds | | 03 |
# | $\bar\rho(N)$ | `positions` | how much alike two draws from a memory of $N$ are: their mean correlation | | 03 |
# | $\zeta$ | `trajectories` | a course of the world, from the start to the end | | 04 |
# | $\nabla \log \pi$ | `score` | which way the parameters must move to make an action likelier | | 04 |
# | $B(s)$ | `baseline` | a number that is taken off the return, and changes no mean | reward | 04 |
# | $A(s, a)$ | `advantages` | how much better an action is than the policy's average | reward | 05 |
# | $\delta_t$ | `td_errors`, `n_step_errors` | temporal-difference error: target less value | reward | 05 |
# | $n$ | `n_steps`, `horizon` | rewards in a target before the value takes over | steps | 05 |
# | $\lambda$ | `lambda_` | mixes the $n$ of all lengths; 0 is one step, 1 the whole episode | | 05 |
# | $I$ | `keep_discount` | the factor $\gamma^t$ that a step counts with | | 05 |
# | $T$, $T_{\max}$ (S3) | `steps` | steps of all workers together | steps | 05 |
#
# ## A.4 Prices, soft values and Distral
#
# | symbol | in code | meaning | unit | chapter |
# |:---|:---|:---|:---|:---|
# | $\pi_0$ | `log_prior`; `log_pi0` from chapter 08 on | the prior, from which distance is measured; the distilled policy | | 06 |
# | $\beta$ | `beta` | inverse temperature: how cheap it is to leave the prior | 1 / reward | 06 |
# | $\alpha$ (from 06 on) | `alpha` | share of the price that is paid for leaving the prior; the rest rewards entropy | | 06 |
# | $\mathrm{KL}[\pi \Vert \pi_0]$ | `kl` | how far a policy is from the prior | nats | 06 |
# | $H(\pi)$ | `entropy` | how undecided a policy is | nats | 06 |
# | | `sampled_regulariser`, `expected_regulariser` | what is added to a reward, for an action or on average | reward | 06 |
# | $\eta(\pi)$ | `bandit_objective` | what a regularised bandit maximises | reward | 06 |
# | $V(s)$ (2.45) | `soft_value` | what a state is worth to one who hedges | reward | 06 |
# | $\pi^B$ (2.35), $\pi_\theta$ (2.53) | `soft_log_policy` | the policy that earns it | | 06 |
# | $\beta_{\mathrm{crit}}$ | `critical_beta` | below it, it is best never to arrive | 1 / reward | 06 |
# | $\Delta_t$, $\hat V_t$ (2.54) | `actor_critic_losses` | the advantage, and the value it points to | reward | 07 |
# | $\kappa$ | `kappa` | temperature of SAC, $1 / \beta$ with $\alpha = 0$; figure A.3 calls it $\alpha$ | reward per nat | 07 |
# | $\phi_1$, $\phi_2$ | `q` | parameters of SAC's two $Q$ | | 07 |
# | $\psi$, $\psi_{\mathrm{targ}}$ | `value`, `value_target` | parameters of SAC's $V$, and their slow average | | 07 |
# | $\rho$ (A.3) | `rho` | what the slow average keeps of itself in an update | | 07 |
# | $C_{\mathrm{KL}}$, $C_{\mathrm{Ent}}$ | `c_kl`, `c_ent` | the two prices; $\alpha$ and $\beta$ say the same | reward per nat | 08 |
# | $\pi_i$ | `log_pi` | the policy of task $i$ | | 08 |
# | $f_{\theta_i}$ | `f` | a task's action values, or the preferences of its policy | reward | 08 |
# | $h_{\theta_0}$ | `h` | preferences of the distilled policy | nats | 08 |
# | $\hat A_i$ | `soft_advantage` | $f$ less the soft value | reward | 08 |
# | $\beta'$ | `beta_prime` | inverse temperature by which a one-column agent acts; 1 in (2.63) | 1 / reward | 08 |
# | $R_i^{\mathrm{reg}}$ | `regularised_reward` | reward less both prices, for the action taken | reward | 08 |
#
# ## A.5 Axes
#
# | letter | counts | letter | counts |
# |:---|:---|:---|:---|
# | R | runs, one a seed | S | states |
# | K | tasks; R · K are the lanes | A | actions |
# | E | environments of a lane, or episodes | M | outcomes of an action |
# | T | steps in a row, or snapshots | N | features, or trajectories |
# | B | transitions of a minibatch | C | places of a memory |
# | P | parameters | D | components of an action |
#
# A shape is written `[R, K, S, A]`; `[..., A]` allows any axes in front.
#
# ## A.6 Words
#
# | word | meaning | chapter |
# |:---|:---|:---|
# | actor, critic | the policy that learns, and the values that tell it how it did | 05 |
# | aliased states | states that look alike to the agent and ask for different actions | 04 |
# | band | where a curve would fall, with 95 %, if the runs were drawn again | 02 |
# | bandit | a world of one state and one step | 04 |
# | baseline | what a return is compared with; it lowers the variance and leaves the mean | 04 |
# | Bellman equation | a value equals the next reward and the discounted value of what follows | 01 |
# | bootstrapping | learning from one's own estimate of what follows | 02 |
# | censored | not watched to its end: longer than what was seen, nobody knows how long | 11 |
# | centroid | the mean of the task policies, weighted by visits: the best distilled policy | 08 |
# | compatible critic | one whose features are the scores of the policy; its errors do not bias the gradient | 05 |
# | confound | something besides the idea that differs between what is compared | 11 |
# | distillation | drawing one policy towards what several do | 08 |
# | episode | from the start to a terminal step, or to a time-out | 01 |
# | exact, learned, recorded | computed without sampling; from seeded runs of ours; read from the thesis | 00 |
# | exploring starts | episodes that begin anywhere | 02 |
# | fixed point | what a repeated update leaves as it is | 03 |
# | interquartile mean | the mean of the middle half of the runs | 02 |
# | lane | one (run, task) pair; lanes are computed together and never disturb each other | 02 |
# | lost run | one that had learned the way and does not arrive any more | 11 |
# | Markov property | what happens next depends on state and action alone | 01 |
# | Newton's method | here: soft policy iteration, a linear solve an iteration | 06 |
# | off-policy, on-policy | learning about another policy than the one that acts; about that one alone | 02 |
# | one column, two columns | a task policy of its own, or one that adds to the distilled policy | 08 |
# | path consistency | along any actions, soft values and log-ratios of the optimum add up | 06 |
# | phase transition | the sudden change, at the critical β, from arriving to wandering | 06 |
# | planted mistake | a wrong answer to an exercise that the checker knows by sight | 00 |
# | policy iteration | evaluate, improve, repeat | 01 |
# | prior | the policy that costs nothing to follow | 06 |
# | probe | a short version of a stored run, trained again to check it | 11 |
# | regulariser | what is added to the reward so that a policy stays near the prior, or undecided | 06 |
# | reparametrisation | writing a random action as a function of the parameters and of numbers that do not depend on them | 07 |
# | replay | learning from remembered transitions, mixed | 03 |
# | reward-to-go | the return from a step on, without what was paid before | 04 |
# | rollout | the steps between two updates of an actor-critic | 05 |
# | run, seed | one training from beginning to end, and the number that its randomness comes from | 02 |
# | staleness | updates that others made while a worker was acting | 05 |
# | sweep | one update of every state | 01 |
# | task | one of the worlds that are to be solved together | 00 |
# | temperature | the price of a nat, 1 / β | 06 |
# | terminal step | one that leads nowhere; a goal | 01 |
# | time-out, truncation | the cutting of an episode at a limit, which is no end: its last value bootstraps | 01 |
# | value iteration | sweeps that take the best action's value | 01 |
# | verdict | confirmed, confirmed with a caveat or not confirmed, computed from stored runs | 11 |
# | worker | a process that acts and updates shared parameters without waiting | 05 |
#
# The equations themselves are in [appendix B](B_equation_ledger.ipynb).
