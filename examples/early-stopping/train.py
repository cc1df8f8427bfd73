# SPDX-License-Identifier: GPL-3.0-or-later
"""Gradient descent on a bowl: with a wrong learning rate the loss falls too slowly, or grows. Prints the loss of every step."""
import sys
import time

rate = float(sys.argv[1])
x, y = 4.0, -3.0
for step in range(1, 31):
    x -= rate * 2 * x
    y -= rate * 20 * y
    print(f"step={step} loss={min(x * x + 10 * y * y, 1e30):.6g}", flush=True)
    time.sleep(0.05)  # stands for work
