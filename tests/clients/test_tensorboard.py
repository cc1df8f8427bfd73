# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials that write TensorBoard event files, by the real writers."""
import sys
import unittest

import hone
from packages import needs


class Case(hone.Case):
    def run_trial(self, code, state="SUCCEEDED", metrics="tensorboard", **more):
        spec = hone.run_spec("", **more)
        spec["run"] = {"command": [sys.executable, "-B", "-c", code], "metrics": metrics, "env": {"KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""}}
        e = self.s.create(spec)
        e.wait()
        t = e.trial(1)
        self.assertEqual(t["state"], state, (t["message"], e.log(1, "?stream=stderr").text[-3000:]))
        return e

    def points(self, e, metric="loss"):
        return [(m["step"], m["value"]) for m in e.get(f"/trials/1/measurements?metric={metric}").json["measurements"]]


@needs("tensorboardX")
class TensorboardX(Case):
    WRITE = """
import time
from tensorboardX import SummaryWriter
w = SummaryWriter("runs/a")
for step in range(5):
    w.add_scalar("loss", 1 / (step + 1), step)
    w.add_scalar("val acc", float("nan") if step == 2 else step, step)
    w.add_text("note", "hello", step)
"""

    def test_scalars_are_measurements_with_their_steps(self):
        e = self.run_trial(self.WRITE + "w.close()")
        self.assertEqual([s for s, _ in self.points(e)], [0, 1, 2, 3, 4])
        self.assertAlmostEqual(e.trial(1)["objective"], 0.2, 6)
        self.assertEqual(self.points(e, "val_acc"), [(0, 0), (1, 1), (2, "NaN"), (3, 3), (4, 4)])

    def test_large_records_are_passed_over(self):
        e = self.run_trial("import numpy\n" + self.WRITE + "w.add_text('t', 'x' * 3000000, 5)\nw.add_histogram('h', numpy.arange(9.), 6)\n"
                           "w.add_scalar('loss', 0.125, 7)\nw.close()")
        self.assertEqual(self.points(e)[-1], (7, 0.125))
        self.assertEqual({m["metric"] for m in e.get("/trials/1/measurements").json["measurements"]}, {"loss", "val_acc"})

    def test_a_trial_is_pruned_while_it_writes(self):
        self.run_trial("import time\nfrom tensorboardX import SummaryWriter\nw = SummaryWriter('runs', flush_secs=1)\nfor i in range(3000):\n    w.add_scalar('loss', 99, i); w.flush(); time.sleep(0.05)",
                       state="PRUNED", stopping={"name": "threshold", "settings": {"upper": 10}})

    def test_directories_tell_equal_tags_apart(self):
        e = self.run_trial("from tensorboardX import SummaryWriter\nfor part, v in (('train', 1), ('validation', 2)):\n    w = SummaryWriter('logs/' + part); w.add_scalar('loss', v, 1); w.close()\n"
                           "w = SummaryWriter('logs'); w.add_scalars('err', {'a': 3, 'b': 4}, 1); w.close()", objective={"metric": "validation/loss", "direction": "minimize"}, metrics={"from": "tensorboard", "path": "logs"})
        self.assertEqual([self.points(e, m) for m in ("train/loss", "validation/loss", "err/a", "err/b")], [[(1, 1)], [(1, 2)], [(1, 3)], [(1, 4)]])

    def test_a_damaged_file_is_read_up_to_the_damage(self):
        e = self.run_trial(self.WRITE + "w.close()\nimport glob\n[p] = glob.glob('runs/a/*')\nb = bytearray(open(p, 'rb').read()); b[-20] ^= 1\n"
                           "open('events.out.tfevents.2', 'wb').write(b); open('events.out.tfevents.3', 'wb').write(b'nonsense, and long enough to be a record')\n"
                           "open('events.out.tfevents.4', 'wb').write(b[:-9])")
        self.assertEqual(len(self.points(e)), 5)


@needs("torch", "tensorboard")
class Torch(Case):
    def test_summary_writer_of_torch(self):
        e = self.run_trial("from torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter()\nfor s in range(3):\n    w.add_scalar('loss', 3 - s, s)\n"
                           "    w.add_scalars('err', {'a': s, 'b': -s}, s); w.add_scalars('a/b', {'c': s}, s)\nw.add_scalar('new', 4.5, 1, new_style=True)\nw.close()")
        self.assertEqual(self.points(e), [(0, 3), (1, 2), (2, 1)])
        self.assertEqual(self.points(e, "err_b"), [(0, 0), (1, -1), (2, -2)])
        self.assertEqual(self.points(e, "a_b_c"), [(0, 0), (1, 1), (2, 2)])
        self.assertEqual(self.points(e, "new"), [(1, 4.5)])  # a tensor, as TensorFlow 2 writes scalars

    @needs("lightning")
    def test_the_logger_of_lightning(self):
        e = self.run_trial("""
import lightning, torch
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__(); self.line = torch.nn.Linear(1, 1)
    def training_step(self, batch, i):
        loss = self.line(batch).pow(2).mean(); self.log("loss", loss); return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data.DataLoader(torch.ones(16, 1), batch_size=4)
lightning.Trainer(max_epochs=3, log_every_n_steps=1, accelerator="cpu", enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False).fit(Model(), data)
""")
        self.assertEqual(len(self.points(e)), 12)


if __name__ == "__main__":
    unittest.main()
