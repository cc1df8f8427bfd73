# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten steps of stochastic gradient descent from where the checkpoint is. A large rate is good early, a small one late: the gradient is noisy."""
import json
import os
import random
import sys

rate = float(sys.argv[1])
checkpoint = os.path.join(os.environ["HONE_CHECKPOINT_DIR"], "state.json")
state = {"step": 0, "x": [3.0, -2.0, 5.0]}
if os.environ["HONE_RESUME"] == "1":
    with open(checkpoint) as file:
        state = json.load(file)
draw = random.Random(int(os.environ["HONE_SEED"]))
for _ in range(10):
    state["step"] += 1
    state["x"] = [x - rate * (x + draw.gauss(0, 1)) for x in state["x"]]
print(f"step={state['step']} loss={sum(x * x for x in state['x']):.6g}")
with open(checkpoint, "w") as file:
    json.dump(state, file)
