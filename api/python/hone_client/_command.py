# SPDX-License-Identifier: Apache-2.0
"""`hone`, where the package carries it (api/python/wheel.sh)."""
from __future__ import annotations

import os
import sys


def main() -> None:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "hone")
    os.execv(program, [program, *sys.argv[1:]])
