"""distral_lite: multitask reinforcement learning from Bellman equations to Distral, with exact answers beside every learner.

One small module stands behind each chapter of the course; nothing is imported here, so that a module costs only what it uses.
"""
