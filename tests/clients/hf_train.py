# SPDX-License-Identifier: GPL-3.0-or-later
"""Hugging Face's Trainer on a tiny model and made-up data, with nothing of Hone in it."""
import tempfile

import torch
from transformers import Trainer, TrainingArguments


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, labels):
        y = self.line(x)
        return {"loss": torch.nn.functional.mse_loss(y, labels), "logits": y}


data = [{"x": torch.tensor([i / 10]), "labels": torch.tensor([i / 5])} for i in range(16)]
with tempfile.TemporaryDirectory() as out:
    arguments = TrainingArguments(output_dir=out, num_train_epochs=3, per_device_train_batch_size=8, eval_strategy="epoch", logging_steps=1, report_to=[], save_strategy="no",
                                  use_cpu=True, disable_tqdm=True)
    Trainer(model=Line(), args=arguments, train_dataset=data, eval_dataset=data).train()
