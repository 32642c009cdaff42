"""SiamFC++ for training, in plain PyTorch: what a Python user would write.

This is the yardstick that bench/step.ts runs beside the native step, and a second, independent statement of the network for
hand checks. Module names give the state_dict the same keys, in the same order, as the snapshots that the product reads and writes.

Shapes: N batch, C channels, S score size (17 for a 303 px search image). Images are BGR 0..255, [N,3,127,127] and [N,3,303,303].
"""
from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TINY = torch.finfo(torch.float32).tiny


class ConvBlock(nn.Module):
    """Convolution, then optionally BatchNorm, then optionally ReLU."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, norm: bool = True, relu: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride=stride, groups=groups)
        if norm:
            self.bn = nn.BatchNorm2d(cout)
        self.norm = norm
        self.rectify = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.norm:
            x = self.bn(x)
        return F.relu(x) if self.rectify else x


class AlexNet(nn.Module):
    """Five convolutions, stride 8, 256 output channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBlock(3, 96, 11, stride=2)
        self.conv2 = ConvBlock(96, 256, 5)
        self.conv3 = ConvBlock(256, 384, 3)
        self.conv4 = ConvBlock(384, 384, 3)
        self.conv5 = ConvBlock(384, 256, 3, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.conv2(x), 3, 2, ceil_mode=True)
        return self.conv5(self.conv4(self.conv3(x)))


class TinyConv(nn.Module):
    """A very small backbone, stride 8, 64 output channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBlock(3, 32, 3, stride=2)
        self.conv2a = ConvBlock(32, 64, 1)
        self.conv2b = ConvBlock(64, 64, 7, stride=2, groups=64)
        self.conv3a = ConvBlock(64, 64, 3)
        self.conv3b = ConvBlock(64, 64, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        return self.conv3b(self.conv3a(self.conv2b(self.conv2a(x))))


def xcorr_depthwise(x: Tensor, k: Tensor) -> Tensor:
    """Slides each template channel over its search channel: [N,C,Hx,Wx], [N,C,Hk,Wk] -> [N,C,Hx-Hk+1,Wx-Wk+1]."""
    n, c = k.shape[:2]
    out = F.conv2d(x.reshape(1, n * c, *x.shape[2:]), k.reshape(n * c, 1, *k.shape[2:]), groups=n * c)
    return out.reshape(n, c, *out.shape[2:])


class DenseboxHead(nn.Module):
    """Classification, centerness and box branches over the two correlation maps."""

    def __init__(self, width: int, score_size: int = 17, x_size: int = 303, total_stride: int = 8, norms: tuple[bool, ...] = (False, False, True)):
        super().__init__()
        self.layers = range(1, len(norms) + 1)
        self.total_stride = total_stride
        self.bi = nn.Parameter(torch.tensor(0.0))
        self.si = nn.Parameter(torch.tensor(1.0))
        for i, norm in zip(self.layers, norms):
            for branch in ("cls", "bbox"):
                self.add_module(f"{branch}_p5_conv{i}", ConvBlock(width, width, 3, norm=norm))
        self.cls_score_p5 = ConvBlock(width, 1, 1, relu=False)
        self.ctr_score_p5 = ConvBlock(width, 1, 1, relu=False)
        self.bbox_offsets_p5 = ConvBlock(width, 4, 1, relu=False)
        offset = (x_size - 1 - (score_size - 1) * total_stride) // 2
        axis = offset + total_stride * torch.arange(score_size, dtype=torch.float32)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        self.register_buffer("centres", torch.stack([x.reshape(-1), y.reshape(-1)], 1)[None], persistent=False)

    def forward(self, c_out: Tensor, r_out: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits [N,S*S,1] twice, boxes x1 y1 x2 y2 [N,S*S,4], classification features [N,C,S,S]."""
        cls, box = c_out, r_out
        for i in self.layers:
            cls = self.get_submodule(f"cls_p5_conv{i}")(cls)
            box = self.get_submodule(f"bbox_p5_conv{i}")(box)
        offsets = torch.exp(self.si * self.bbox_offsets_p5(box) + self.bi) * self.total_stride
        offsets = flatten_map(offsets)
        boxes = torch.cat([self.centres - offsets[..., :2], self.centres + offsets[..., 2:]], 2)
        return flatten_map(self.cls_score_p5(cls)), flatten_map(self.ctr_score_p5(cls)), boxes, cls


def flatten_map(x: Tensor) -> Tensor:
    """[N,C,S,S] -> [N,S*S,C]"""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, x.shape[1])


class NormConv(nn.Module):
    """Convolution without a bias, BatchNorm (eps 1e-3) and ReLU, as Inception v3 has them."""

    def __init__(self, cin: int, cout: int, kernel: int | tuple[int, int], stride: int = 1, padding: int | tuple[int, int] = 0):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Chains of convolutions side by side over one input. A chain is (pool, layers); `pool` is "", "mean" or "max"."""

    def __init__(self, chains: list[tuple[str, list[tuple[str, NormConv]]]]):
        super().__init__()
        self.chains = []
        for pool, layers in chains:
            for name, layer in layers:
                self.add_module(name, layer)
            self.chains.append((pool, [name for name, _ in layers]))

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for pool, names in self.chains:
            y = F.avg_pool2d(x, 3, 1, 1) if pool == "mean" else F.max_pool2d(x, 3, 2) if pool == "max" else x
            for name in names:
                y = self.get_submodule(name)(y)
            parts.append(y)
        return torch.cat(parts, 1)


class GoogLeNet(nn.Module):
    """Inception v3 up to its third group of blocks, without the pool before them: stride 8, 256 output channels, 4 cells cut off each side."""

    BORDER = 4

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = NormConv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = NormConv(32, 32, 3)
        self.Conv2d_2b_3x3 = NormConv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = NormConv(64, 80, 1)
        self.Conv2d_4a_3x3 = NormConv(80, 192, 3)
        width = 192
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            self.add_module(name, Branches([
                ("", [("branch1x1", NormConv(width, 64, 1))]),
                ("", [("branch5x5_1", NormConv(width, 48, 1)), ("branch5x5_2", NormConv(48, 64, 5, padding=2))]),
                ("", [("branch3x3dbl_1", NormConv(width, 64, 1)), ("branch3x3dbl_2", NormConv(64, 96, 3, padding=1)), ("branch3x3dbl_3", NormConv(96, 96, 3, padding=1))]),
                ("mean", [("branch_pool", NormConv(width, pooled, 1))]),
            ]))
            width = 224 + pooled
        self.Mixed_6a = Branches([
            ("", [("branch3x3", NormConv(width, 384, 3, 2))]),
            ("", [("branch3x3dbl_1", NormConv(width, 64, 1)), ("branch3x3dbl_2", NormConv(64, 96, 3, padding=1)), ("branch3x3dbl_3", NormConv(96, 96, 3, 2))]),
            ("max", []),
        ])
        row, column = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
        for name, c in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            self.add_module(name, Branches([
                ("", [("branch1x1", NormConv(768, 192, 1))]),
                ("", [("branch7x7_1", NormConv(768, c, 1)), ("branch7x7_2", NormConv(c, c, **row)), ("branch7x7_3", NormConv(c, 192, **column))]),
                ("", [("branch7x7dbl_1", NormConv(768, c, 1)), ("branch7x7dbl_2", NormConv(c, c, **column)), ("branch7x7dbl_3", NormConv(c, c, **row)),
                      ("branch7x7dbl_4", NormConv(c, c, **column)), ("branch7x7dbl_5", NormConv(c, 192, **row))]),
                ("mean", [("branch_pool", NormConv(768, 192, 1))]),
            ]))
        self.channel_reduce = nn.Sequential(nn.Conv2d(768, 256, 1), nn.BatchNorm2d(256, eps=1e-3))

    def forward(self, x: Tensor) -> Tensor:
        x = (x.flip(1) - 127.5) / 127.5
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e"):
            x = self.get_submodule(f"Mixed_{name}")(x)
        cut = slice(self.BORDER, -self.BORDER)
        return self.channel_reduce(x[:, :, cut, cut])


BACKBONES = {"alexnet": (AlexNet, 256), "tinyconv": (TinyConv, 64), "googlenet": (GoogLeNet, 256)}

# Whether each 3x3 convolution of the head's towers has a BatchNorm.
NORMS = {"alexnet": (False, False, True), "tinyconv": (False, False, True), "googlenet": (False, False)}


class SiamFCpp(nn.Module):
    """Backbone on template and search image, feature adjustment, correlation, head."""

    def __init__(self, backbone: str = "alexnet", x_size: int = 303, score_size: int = 17):
        super().__init__()
        make, width = BACKBONES[backbone]
        self.basemodel = make()
        self.head = DenseboxHead(width, score_size=score_size, x_size=x_size, norms=NORMS[backbone])
        for name in ("r_z_k", "c_z_k", "r_x", "c_x"):
            self.add_module(name, ConvBlock(width, width, 3, relu=False))

    def template(self, z: Tensor) -> tuple[Tensor, Tensor]:
        f_z = self.basemodel(z)
        return self.c_z_k(f_z), self.r_z_k(f_z)

    def search(self, x: Tensor, c_z_k: Tensor, r_z_k: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        f_x = self.basemodel(x)
        return self.head(xcorr_depthwise(self.c_x(f_x), c_z_k), xcorr_depthwise(self.r_x(f_x), r_z_k))

    def forward(self, z: Tensor, x: Tensor) -> dict[str, Tensor]:
        cls, ctr, box, features = self.search(x, *self.template(z))
        return {"cls_pred": cls, "ctr_pred": ctr, "box_pred": box, "corr_fea": features}


def focal_loss(pred: Tensor, label: Tensor, alpha: float = 0.25, gamma: float = 2.0, weight: float = 1.0) -> Tensor:
    """Focal loss over labels 1, 0 and -1 (ignored), divided by the number of positives."""
    valid = (label != -1).to(pred.dtype)
    positive = (label > 0).to(pred.dtype)
    p = torch.sigmoid(pred)
    p_true = p * positive + (1 - p) * (1 - positive)
    balance = alpha * positive + (1 - alpha) * (1 - positive)
    per_cell = balance * (1 - p_true) ** gamma * F.binary_cross_entropy_with_logits(pred, positive, reduction="none")
    return (per_cell * valid).sum() / positive.sum().clamp(min=1) * weight


def centerness_loss(pred: Tensor, target: Tensor, weight: float = 1.0) -> Tensor:
    """Cross entropy less the target's own entropy, over cells with a target."""
    mask = (target != 0).to(pred.dtype)
    cross = F.binary_cross_entropy_with_logits(pred, target, reduction="none")
    own = F.binary_cross_entropy(target, target, reduction="none")
    return ((cross - own) * mask).sum() / mask.sum().clamp(min=1) * weight


def iou_loss(pred: Tensor, target: Tensor, label: Tensor, weight: float = 3.0) -> tuple[Tensor, Tensor]:
    """-log IoU over positive cells; sides are counted in pixels (x2 - x1 + 1). Returns the loss and the mean IoU."""
    mask = ((label != 0) & (label != -1)).to(pred.dtype).squeeze(2)
    side = lambda box: (box[..., 2:] - box[..., :2] + 1).prod(-1).abs()  # noqa: E731
    overlap = (torch.min(pred[..., 2:], target[..., 2:]) - torch.max(pred[..., :2], target[..., :2]) + 1).clamp(min=0).prod(-1)
    iou = (overlap / (side(pred) + side(target) - overlap)).clamp(min=0)
    count = mask.sum().clamp(min=1)
    return (-torch.log(iou.clamp(min=TINY)) * mask).sum() / count * weight, (iou.detach() * mask).sum() / count


def all_losses(pred: dict[str, Tensor], target: dict[str, Tensor], alpha: float = 0.25) -> tuple[dict[str, Tensor], Tensor]:
    """The three training losses by name, and the mean IoU."""
    reg, iou = iou_loss(pred["box_pred"], target["box_gt"], target["cls_gt"])
    return {
        "cls": focal_loss(pred["cls_pred"], target["cls_gt"], alpha=alpha),
        "ctr": centerness_loss(pred["ctr_pred"], target["ctr_gt"]),
        "reg": reg,
    }, iou


@dataclass
class SgdOptions:
    """SGD as the experiments use it: the backbone in its own group with a learning-rate ratio."""

    lr: float = 0.08
    momentum: float = 0.9
    weight_decay: float = 1e-4
    basemodel_ratio: float = 0.1
    frozen: list[str] = field(default_factory=list)


def build_sgd(model: SiamFCpp, options: SgdOptions) -> torch.optim.SGD:
    """One group for the backbone, one for the rest."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not any(name.startswith(prefix) for prefix in options.frozen))
    groups = [
        {"params": [p for n, p in model.named_parameters() if n.startswith("basemodel.")], "lr": options.lr * options.basemodel_ratio},
        {"params": [p for n, p in model.named_parameters() if not n.startswith("basemodel.")], "lr": options.lr},
    ]
    return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, weight_decay=options.weight_decay)


def rule_fill(model: nn.Module, image_gain: float = 1 / 128) -> None:
    """Fills every parameter and buffer from its position alone, so that two programs get equal weights without a file.

    `i` is the index in state_dict order, `j` the flat index; a 32-bit mix of both gives u in [0, 1).
    """
    import numpy as np

    state = model.state_dict()
    for i, (name, tensor) in enumerate(state.items()):
        j = np.arange(max(tensor.numel(), 1), dtype=np.uint32)
        with np.errstate(over="ignore"):
            x = j * np.uint32(2654435761) + np.uint32(i * 2246822519 % 2**32) + np.uint32(3266489917)
            x ^= x >> np.uint32(16)
            x *= np.uint32(0x7FEB352D)
            x ^= x >> np.uint32(15)
            x *= np.uint32(0x846CA68B)
            x ^= x >> np.uint32(16)
        u = (x >> np.uint32(8)).astype(np.float64) / 16777216.0
        prefix = name.rpartition(".")[0]
        if tensor.dim() == 4:
            gain = 1.0
            if tensor.shape[1] == 3:
                gain = image_gain
            if name.endswith(("cls_score_p5.conv.weight", "ctr_score_p5.conv.weight", "bbox_offsets_p5.conv.weight")):
                gain = 0.1
            value = (2 * u - 1) * math.sqrt(6 / math.prod(tensor.shape[1:])) * gain
        elif name.endswith("num_batches_tracked"):
            value = u * 0
        elif name in ("head.bi", "head.si"):
            value = u * 0 + (1.5 if name == "head.bi" else 0.5)
        elif name.endswith("running_mean"):
            value = (2 * u - 1) * 0.1
        elif name.endswith("running_var"):
            value = 0.5 + u
        elif f"{prefix}.running_mean" in state:
            value = 0.75 + 0.5 * u if name.endswith("weight") else (2 * u - 1) * 0.2
        else:
            value = (2 * u - 1) * 0.1
        tensor.copy_(torch.from_numpy(value.astype(np.float32)).reshape(tensor.shape))
