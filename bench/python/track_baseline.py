"""A SiamFC++ tracker the way a Python user writes and runs it: OpenCV cuts the crops, the network runs in float32 and NCHW without gradients,
NumPy chooses the cell and moves the box. The yardstick process of bench/track.ts.

Reads one JSON object a line from stdin and answers with one a line on stdout:

    {"cmd": "load", "weights": FILE, "backbone": "alexnet", "frames": FILE, "width": W, "height": H, "threads": 2, "device": "cpu", "dtype": "float32"}  -> {"torch": "2.11.0", ...}
    {"cmd": "init", "frame": 0, "box": [x, y, w, h]}     -> {"ok": true}
    {"cmd": "track", "frames": [{"index": 1, "box": [x, y, w, h]}, ...]}   -> {"seconds": [...], "cpu": [...], "boxes": [[x, y, w, h], ...]}
    {"cmd": "quit"}

`box` is where the target was before the frame. `weights` is a safetensors file, `frames` the decoded frames one after the other, BGR. Seconds are those of one frame from its pixels to its
box, cpu the processor's of all threads. In another dtype than float32 weights and activations are of it, in channels_last. Where there is no OpenCV, torch cuts the crops on the CPU.
"""
from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

try:
    import cv2
except ImportError:
    cv2 = None

from siamfcpp_model import NORMS, SiamFCpp
from step_baseline import read_safetensors

Z_SIZE, X_SIZE, STRIDE = 127, 303, 8
CONTEXT, PENALTY_K, WINDOW_INFLUENCE, TEST_LR = 0.5, 0.04, 0.21, 0.52
MIN_SIZE = 10.0


def padded_side(w, h):
    pad = (w + h) * 0.5
    return np.sqrt((w + pad) * (h + pad))


class Tracker:
    def __init__(self, request: dict) -> None:
        torch.set_num_threads(request["threads"])
        if cv2 is not None:
            cv2.setNumThreads(request["threads"])
        self.device, self.dtype = torch.device(request.get("device", "cpu")), getattr(torch, request.get("dtype", "float32"))
        score_size = (X_SIZE - Z_SIZE) // STRIDE + 1 - 2 * len(NORMS[request["backbone"]])
        self.model = SiamFCpp(request["backbone"], x_size=X_SIZE, score_size=score_size)
        self.model.load_state_dict(read_safetensors(request["weights"]))
        self.model.eval().to(self.device)
        if self.dtype != torch.float32:
            self.model.to(self.dtype).to(memory_format=torch.channels_last)
        self.frames = np.memmap(request["frames"], dtype=np.uint8, mode="r").reshape(-1, request["height"], request["width"], 3)
        hann = np.hanning(score_size)
        self.window = np.outer(hann, hann).reshape(-1)

    def crop(self, frame: np.ndarray, out_size: int) -> tuple[np.ndarray, float]:
        """The square around the target, and how many of its pixels one of the frame's is."""
        (cx, cy), (w, h) = self.centre, self.size
        side_z = np.sqrt((w + CONTEXT * (w + h)) * (h + CONTEXT * (w + h)))
        scale = Z_SIZE / side_z
        side = round(out_size / scale)
        step = (side - 1) / (out_size - 1)
        matrix = np.array([[step, 0, cx - (side - 1) / 2], [0, step, cy - (side - 1) / 2]], dtype=np.float32)
        if cv2 is None:
            return self.sampled(frame, side, step, out_size), scale
        image = cv2.warpAffine(frame, matrix, (out_size, out_size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                               borderMode=cv2.BORDER_CONSTANT, borderValue=self.border)
        return image, scale

    def sampled(self, frame: np.ndarray, side: float, step: float, out_size: int) -> np.ndarray:
        """The crop without OpenCV: the square's part of the frame, sampled between its pixels; the border's colour is taken off and put back."""
        cx, cy = self.centre
        left, top = cx - (side - 1) / 2, cy - (side - 1) / 2
        x0, y0 = max(0, int(left) - 1), max(0, int(top) - 1)
        part = torch.from_numpy(frame[y0:int(top + side) + 2, x0:int(left + side) + 2]).permute(2, 0, 1)[None].float()
        border = torch.tensor(self.border, dtype=torch.float32).view(1, 3, 1, 1)
        height, width = part.shape[2:]
        line = torch.arange(out_size, dtype=torch.float32) * step
        xs, ys = (line + (left - x0)) * 2 / max(1, width - 1) - 1, (line + (top - y0)) * 2 / max(1, height - 1) - 1
        grid = torch.stack([xs.expand(out_size, -1), ys[:, None].expand(-1, out_size)], 2)[None]
        image = F.grid_sample(part - border, grid.float(), align_corners=True) + border
        return image[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()

    def tensor(self, image: np.ndarray) -> torch.Tensor:
        if self.device.type == "cpu":
            return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)).to(self.dtype)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self.device).permute(2, 0, 1)[None]
        layout = torch.contiguous_format if self.dtype == torch.float32 else torch.channels_last
        return pixels.to(self.dtype).contiguous(memory_format=layout)

    def set(self, box: list[float]) -> None:
        x, y, w, h = box
        self.centre, self.size = np.float32([x + (w - 1) / 2, y + (h - 1) / 2]), np.float32([w, h])

    def init(self, index: int, box: list[float]) -> None:
        frame = self.frames[index]
        self.set(box)
        self.border = tuple(int(c) for c in frame.mean(axis=(0, 1)))
        with torch.no_grad():
            self.kernels = self.model.template(self.tensor(self.crop(frame, Z_SIZE)[0]))

    def track(self, index: int) -> list[float]:
        frame = self.frames[index]
        image, scale = self.crop(frame, X_SIZE)
        with torch.no_grad():
            cls, ctr, box, _ = self.model.search(self.tensor(image), *self.kernels)
            score = (torch.sigmoid(cls.float()) * torch.sigmoid(ctr.float()))[0, :, 0].cpu().numpy()
            box = box[0].float().cpu().numpy()
        cxywh = np.concatenate([(box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2] + 1], axis=1)
        prior = self.size * scale
        change = lambda ratio: np.maximum(ratio, 1 / ratio)  # noqa: E731
        sizes = change(padded_side(cxywh[:, 2], cxywh[:, 3]) / padded_side(*prior))
        ratios = change((prior[0] / prior[1]) / (cxywh[:, 2] / cxywh[:, 3]))
        penalty = np.exp(-(sizes * ratios - 1) * PENALTY_K)
        pscore = penalty * score * (1 - WINDOW_INFLUENCE) + self.window * WINDOW_INFLUENCE
        best = int(np.argmax(pscore))
        rate = penalty[best] * score[best] * TEST_LR
        limit = np.float32([frame.shape[1], frame.shape[0]])
        moved = self.centre + (cxywh[best, :2] - X_SIZE // 2) / scale
        self.size = np.clip(self.size * (1 - rate) + cxywh[best, 2:] / scale * rate, MIN_SIZE, limit).astype(np.float32)
        self.centre = np.clip(moved, 0, limit).astype(np.float32)
        return [*(float(v) for v in self.centre - (self.size - 1) / 2), *(float(v) for v in self.size)]


def main() -> None:
    tracker: Tracker | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["cmd"] == "quit":
                return
            if request["cmd"] == "load":
                tracker = Tracker(request)
                reply = {"torch": torch.__version__, "numpy": np.__version__, "cv2": None if cv2 is None else cv2.__version__}
            elif request["cmd"] == "init":
                tracker.init(request["frame"], request["box"])
                reply = {"ok": True}
            else:
                reply = {"seconds": [], "cpu": [], "boxes": []}
                for frame in request["frames"]:
                    tracker.set(frame["box"])
                    cpu, start = time.process_time(), time.perf_counter()
                    reply["boxes"].append(tracker.track(frame["index"]))
                    reply["seconds"].append(time.perf_counter() - start)
                    reply["cpu"].append(time.process_time() - cpu)
        except Exception as error:  # told to the bench, which ends with it
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
