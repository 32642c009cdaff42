"""One training step in Python, timed on request: the yardstick process of bench/step.ts.

Reads one JSON object a line from stdin and answers with one a line on stdout:

    {"cmd": "load", "inputs": FILE, "weights": FILE, "backbone": "alexnet", "threads": 2, "lr": 1e-3}   -> {"ok": true, "torch": "2.11.0", ...}
    {"cmd": "run", "mode": "fp32", "steps": 1}       -> {"seconds": [...], "cpu": [...], "phases": [[fwd, bwd, optim], ...],
                                                         "losses": [{"cls", "ctr", "reg"}, ...]}
    {"cmd": "quit"}

Both files are safetensors. `inputs` holds im_z, im_x (uint8), cls_gt, ctr_gt, box_gt; a Python data loader delivers float32 images, so
they are converted before the clock starts. Each mode keeps its own model and optimizer, all starting from `weights`.

Modes: fp32 (what torch does by default), fp32_channels_last, bf16 (autocast), bf16_channels_last.
"""
from __future__ import annotations

import json
import struct
import sys
import time

import torch
from torch import Tensor

from siamfcpp_model import SgdOptions, SiamFCpp, all_losses, build_sgd

DTYPES = {"F32": torch.float32, "U8": torch.uint8, "I64": torch.int64}
MODES = {"fp32": (False, False), "fp32_channels_last": (False, True), "bf16": (True, False), "bf16_channels_last": (True, True)}


def read_safetensors(path: str) -> dict[str, Tensor]:
    """A safetensors file without the package: a length, a JSON header, the bytes."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        if start == end:
            tensors[name] = torch.empty(entry["shape"], dtype=dtype)
        else:
            part = torch.frombuffer(body[start:end], dtype=dtype)
            tensors[name] = part.reshape(entry["shape"]).clone()
    return tensors


class Baseline:
    """Models of all modes that were asked for, over one batch."""

    def __init__(self, request: dict) -> None:
        torch.set_num_threads(request["threads"])
        self.batch = read_safetensors(request["inputs"])
        self.weights = read_safetensors(request["weights"])
        self.backbone = request["backbone"]
        self.lr = request["lr"]
        for name in ("im_z", "im_x"):
            self.batch[name] = self.batch[name].float()
        self.made: dict[str, tuple[SiamFCpp, torch.optim.SGD]] = {}

    def model(self, mode: str) -> tuple[SiamFCpp, torch.optim.SGD]:
        if mode not in self.made:
            model = SiamFCpp(self.backbone, x_size=self.batch["im_x"].shape[-1])
            model.load_state_dict(self.weights)
            model.train()
            if MODES[mode][1]:
                model = model.to(memory_format=torch.channels_last)
            self.made[mode] = model, build_sgd(model, SgdOptions(lr=self.lr))
        return self.made[mode]

    def step(self, mode: str) -> tuple[list[float], float, dict[str, float]]:
        """One step; seconds of forward, backward and optimizer, and the processor's seconds of all threads."""
        bf16, channels_last = MODES[mode]
        model, optimizer = self.model(mode)
        cpu = time.process_time()
        start = time.perf_counter()
        z, x = self.batch["im_z"], self.batch["im_x"]
        if channels_last:
            z, x = (image.contiguous(memory_format=torch.channels_last) for image in (z, x))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            predicted = model(z, x)
        losses, _ = all_losses({name: value.float() for name, value in predicted.items() if name != "corr_fea"}, self.batch)
        total = sum(losses.values())
        forward = time.perf_counter()
        total.backward()
        backward = time.perf_counter()
        optimizer.step()
        end = time.perf_counter()
        cpu = time.process_time() - cpu
        return [forward - start, backward - forward, end - backward], cpu, {name: value.item() for name, value in losses.items()}


def answer(request: dict, state: dict[str, Baseline]) -> dict:
    if request["cmd"] == "load":
        state["baseline"] = Baseline(request)
        return {"ok": True, "torch": torch.__version__, "threads": torch.get_num_threads(), "python": sys.version.split()[0]}
    if request["cmd"] == "run":
        results = [state["baseline"].step(request["mode"]) for _ in range(request["steps"])]
        return {
            "seconds": [sum(phases) for phases, _, _ in results],
            "cpu": [cpu for _, cpu, _ in results],
            "phases": [phases for phases, _, _ in results],
            "losses": [losses for _, _, losses in results],
        }
    raise ValueError(f"unknown command {request['cmd']!r}")


def main() -> None:
    state: dict[str, Baseline] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["cmd"] == "quit":
            return
        try:
            reply = answer(request, state)
        except Exception as error:  # the other side prints it and stops
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
