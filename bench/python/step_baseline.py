"""One training step in Python, timed on request: the yardstick process of bench/step.ts.

Reads one JSON object a line from stdin and answers with one a line on stdout:

    {"cmd": "load", "inputs": FILE, "weights": FILE, "backbone": "alexnet", "threads": 2, "lr": 1e-3}   -> {"ok": true, "torch": "2.11.0", ...}
    {"cmd": "run", "mode": "fp32", "steps": 1}       -> {"seconds": [...], "cpu": [...], "phases": [[fwd, bwd, optim], ...],
                                                         "losses": [{"cls", "ctr", "reg"}, ...]}
    {"cmd": "free", "mode": "fp32"}                  -> {"ok": true}      forgets a mode's model
    {"cmd": "quit"}

Both files are safetensors. `inputs` holds im_z, im_x (uint8), cls_gt, ctr_gt, box_gt; a Python data loader delivers float32 images, so
they are converted before the clock starts. Each mode keeps its own model and optimizer, all starting from `weights`.

Modes: fp32 (what torch does by default), fp32_channels_last, bf16 (autocast), bf16_channels_last; on a GPU also fp16 and fp16_channels_last
(autocast and GradScaler).

"device": "cuda" in "load" puts models and batch there before the clock starts, with cudnn.benchmark as "cudnn_benchmark" says. Steps of one
"run" are then timed together, between two synchronisations, and each counts as their mean; phases stay empty, and losses are the last step's.
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
MODES = {f"{name}{layout}": (dtype, layout != "") for name, dtype in (("fp32", None), ("bf16", torch.bfloat16), ("fp16", torch.float16)) for layout in ("", "_channels_last")}


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
        self.device = request.get("device", "cpu")
        torch.backends.cudnn.benchmark = request.get("cudnn_benchmark", False)
        for name in ("im_z", "im_x"):
            self.batch[name] = self.batch[name].float()
        self.batch = {name: value.to(self.device) for name, value in self.batch.items()}
        self.made: dict[str, tuple[SiamFCpp, torch.optim.SGD, torch.amp.GradScaler]] = {}

    def model(self, mode: str) -> tuple[SiamFCpp, torch.optim.SGD, torch.amp.GradScaler]:
        if mode not in self.made:
            model = SiamFCpp(self.backbone, x_size=self.batch["im_x"].shape[-1])
            model.load_state_dict(self.weights)
            model.to(self.device).train()
            if MODES[mode][1]:
                model = model.to(memory_format=torch.channels_last)
            scaler = torch.amp.GradScaler(self.device, enabled=MODES[mode][0] is torch.float16)
            self.made[mode] = model, build_sgd(model, SgdOptions(lr=self.lr)), scaler
        return self.made[mode]

    def run(self, mode: str, steps: int) -> dict:
        if self.device == "cpu":
            results = [self.step(mode) for _ in range(steps)]
            losses = [{name: value.item() for name, value in step.items()} for _, _, step in results]
            phases = [step for step, _, _ in results]
            return {"seconds": [sum(step) for step in phases], "cpu": [cpu for _, cpu, _ in results], "phases": phases, "losses": losses}
        torch.cuda.synchronize()
        cpu, start = time.process_time(), time.perf_counter()
        for _ in range(steps):
            _, _, losses = self.step(mode)
        torch.cuda.synchronize()
        seconds, cpu = (time.perf_counter() - start) / steps, (time.process_time() - cpu) / steps
        return {"seconds": [seconds] * steps, "cpu": [cpu] * steps, "phases": [], "losses": [{name: value.item() for name, value in losses.items()}]}

    def free(self, mode: str) -> None:
        self.made.pop(mode, None)
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def step(self, mode: str) -> tuple[list[float], float, dict[str, Tensor]]:
        """One step; seconds of forward, backward and optimizer, and the processor's seconds of all threads."""
        dtype, channels_last = MODES[mode]
        model, optimizer, scaler = self.model(mode)
        cpu = time.process_time()
        start = time.perf_counter()
        z, x = self.batch["im_z"], self.batch["im_x"]
        if channels_last:
            z, x = (image.contiguous(memory_format=torch.channels_last) for image in (z, x))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, dtype or torch.bfloat16, enabled=dtype is not None):
            predicted = model(z, x)
        losses, _ = all_losses({name: value.float() for name, value in predicted.items() if name != "corr_fea"}, self.batch)
        total = sum(losses.values())
        forward = time.perf_counter()
        scaler.scale(total).backward()
        backward = time.perf_counter()
        scaler.step(optimizer)
        scaler.update()
        end = time.perf_counter()
        cpu = time.process_time() - cpu
        return [forward - start, backward - forward, end - backward], cpu, losses


def answer(request: dict, state: dict[str, Baseline]) -> dict:
    if request["cmd"] == "load":
        state["baseline"] = Baseline(request)
        return {"ok": True, "torch": torch.__version__, "threads": torch.get_num_threads(), "python": sys.version.split()[0]}
    if request["cmd"] == "run":
        return state["baseline"].run(request["mode"], request["steps"])
    if request["cmd"] == "free":
        state["baseline"].free(request["mode"])
        return {"ok": True}
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
