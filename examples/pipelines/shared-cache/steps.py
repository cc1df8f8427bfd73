# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of tune.yaml: load, prepare, train with checkpoints, evaluate."""
import json
import os
import pickle
import sys

import numpy as np


def read(folder, part):
    return [np.load(os.path.join(folder, f"{name}_{part}.npy")) for name in ("x", "y")]


def write(folder, part, x, y):
    os.makedirs(folder, exist_ok=True)
    np.save(os.path.join(folder, f"x_{part}.npy"), x)
    np.save(os.path.join(folder, f"y_{part}.npy"), y)


def load(out):
    from sklearn.datasets import load_digits
    write(out, "all", *load_digits(return_X_y=True))


def prepare(data, out):
    from sklearn.model_selection import train_test_split
    x, y = read(data, "all")
    x, x_test, y, y_test = train_test_split(x / 16.0, y, test_size=0.3, random_state=0)
    write(out, "train", x, y)
    write(out, "test", x_test, y_test)


def train(data, lr, hidden, out):
    """Goes on from the last epoch when its checkpoint is there: a promoted or lost trial does not begin anew."""
    from sklearn.neural_network import MLPClassifier
    x, y = read(data, "train")
    x_test, y_test = read(data, "test")
    kept = os.path.join(os.environ.get("HONE_CHECKPOINT_DIR", "."), "model.pickle")
    epoch, model = 0, MLPClassifier((int(hidden),), learning_rate_init=float(lr), random_state=0)
    if os.path.exists(kept):
        with open(kept, "rb") as f:
            epoch, model = pickle.load(f)
    for epoch in range(epoch + 1, 11):
        model.partial_fit(x, y, classes=np.arange(10))
        print(f"accuracy={model.score(x_test, y_test)} step={epoch}", flush=True)
        with open(kept + ".new", "wb") as f:
            pickle.dump((epoch, model), f)
        os.replace(kept + ".new", kept)
    with open(out, "wb") as f:
        pickle.dump(model, f)


def evaluate(data, model):
    x, y = read(data, "test")
    with open(model, "rb") as f:
        accuracy = float(pickle.load(f).score(x, y))
    with open(os.environ["HONE_OUTPUTS"], "w") as f:
        json.dump({"accuracy": accuracy}, f)
    print(f"accuracy={accuracy}")


globals()[sys.argv[1]](*sys.argv[2:])
