# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains a small neural network on scikit-learn's handwritten digits and prints its accuracy after each epoch.

Knows nothing of Hone: parameters are flags, results are lines like `epoch=3 accuracy=0.91`.
"""
import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # trials run side by side: each takes one core
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier


def main():
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--solver", choices=["adam", "sgd"], default="adam")
    flags.add_argument("--lr", type=float, default=1e-3, help="learning rate")
    flags.add_argument("--momentum", type=lambda text: float(text or 0), default=0.9, help="of sgd; Hone leaves it empty for adam")
    flags.add_argument("--units", type=int, default=64, help="in the hidden layer")
    flags.add_argument("--alpha", type=float, default=1e-4, help="L2 penalty")
    flags.add_argument("--epochs", type=int, default=15)
    a = flags.parse_args()

    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(images / 16, labels, test_size=0.3, random_state=0, stratify=labels)
    model = MLPClassifier((a.units,), solver=a.solver, learning_rate_init=a.lr, momentum=a.momentum, alpha=a.alpha, batch_size=64,
                          random_state=int(os.environ.get("HONE_SEED", "0")) % 2**32)
    for epoch in range(1, a.epochs + 1):
        model.partial_fit(x_train, y_train, classes=range(10))
        print(f"epoch={epoch} accuracy={model.score(x_test, y_test):.4f}", flush=True)


if __name__ == "__main__":
    main()
