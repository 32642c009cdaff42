"""By hand: does bench/python/siamfcpp_model.py compute what the golden fixtures hold?

    python check_golden.py ../../../shared/golden [alexnet tinyconv]

Prints one line a quantity with its largest deviation and the tolerance of the fixtures' README; exits 1 if one is over.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from siamfcpp_model import SiamFCpp, all_losses, rule_fill

TOLERANCE = {
    "alexnet": {"logit": 3e-4, "box": 2e-2, "loss": 5e-6, "prob": 3e-5, "grad": 5e-3, "grad_evalbn": 2e-4, "bn": 1e-5},
    "tinyconv": {"logit": 1e-4, "box": 5e-3, "loss": 5e-6, "prob": 2e-5, "grad": 2e-3, "grad_evalbn": 2e-5, "bn": 1e-5},
}
failures = 0


def report(what: str, deviation: float, tolerance: float) -> None:
    global failures
    good = deviation <= tolerance
    failures += not good
    print(f"{'ok  ' if good else 'OVER'} {what:34s} {deviation:.2e} <= {tolerance:.0e}")


def check(golden: Path, arch: str) -> None:
    tol = TOLERANCE[arch]
    expected = load_file(golden / f"forward_{arch}.safetensors")
    facts = json.loads((golden / f"forward_{arch}.json").read_text())
    pool = load_file(golden / f"{facts['pool']}.safetensors")
    pairs = facts["pool_indices"]
    z = pool["im_z"][pairs].permute(0, 3, 1, 2).contiguous().float()
    x = pool["im_x"][pairs].permute(0, 3, 1, 2).contiguous().float()
    target = {
        "cls_gt": pool["cls_gt"][pairs].float()[..., None],
        "ctr_gt": pool["ctr_gt"][pairs][..., None],
        "box_gt": pool["box_gt"][pairs],
    }
    size = int(facts["pool"][4:])
    model = SiamFCpp(arch, x_size=size)
    names = [[n, list(t.shape)] for n, t in model.state_dict().items()]
    wanted = [[n, s] for n, s, _ in json.loads((golden / "state_dicts.json").read_text())[arch]["state_dict"]]
    report(f"{arch} names and shapes", float(sum(a != b for a, b in zip(names, wanted)) + abs(len(names) - len(wanted))), 0)
    rule_fill(model)
    sums = json.loads((golden / "rule_check.json").read_text())[arch]["sum"]
    report(f"{arch} rule sums", max(abs(t.double().sum().item() - sums[n]) for n, t in model.state_dict().items()), 1e-6)

    def compare(kind: str, grads: dict[str, dict[str, float]], scalars: dict[str, float], tolerance: float) -> None:
        model.zero_grad(set_to_none=True)
        out = model(z, x)
        losses, iou = all_losses(out, target)
        sum(losses.values()).backward()
        if f"{kind}.corr_fea_sub" in expected:
            report(f"{arch} {kind} corr_fea", dev(out["corr_fea"][:, ::8, ::4, ::4], f"{kind}.corr_fea_sub"), 1e-3)
        report(f"{arch} {kind} cls", dev(out["cls_pred"].squeeze(2), f"{kind}.cls"), tol["logit"])
        report(f"{arch} {kind} ctr", dev(out["ctr_pred"].squeeze(2), f"{kind}.ctr"), tol["logit"])
        report(f"{arch} {kind} box", dev(out["box_pred"], f"{kind}.box"), tol["box"])
        got = {**{f"loss.{k}": v.item() for k, v in losses.items()}, "extra.iou": iou.item()}
        for key, value in got.items():
            report(f"{arch} {kind} {key}", abs(value - scalars[key]) / abs(scalars[key]), tol["loss"])
        zero = set(facts["true_zero_grad_params"]) if kind == "train" else set()
        worst = max(abs(p.grad.double().norm().item() - grads[n]["l2"]) / grads[n]["l2"] for n, p in model.named_parameters() if n not in zero)
        report(f"{arch} {kind} gradient l2", worst, tolerance)

    def dev(a: torch.Tensor, key: str) -> float:
        return (a.detach() - expected[key]).abs().max().item()

    model.train()
    compare("train", facts["grads_f32"], facts["scalars_f32"], tol["grad"])
    state = model.state_dict()
    bn = facts["bn_after_one_train_forward_f32"]
    worst = max(abs(state[n].double().norm().item() - l2) / l2 for n, (_, l2) in bn.items())
    report(f"{arch} train BN running stats", worst, tol["bn"])

    rule_fill(model)
    model.load_state_dict(load_file(golden / f"bnstats_{arch}.safetensors"), strict=False)
    model.eval()
    compare("evalbn", facts["evalbn_grads_f32"], facts["evalbn_scalars_f32"], tol["grad_evalbn"])
    with torch.no_grad():
        cls, ctr, box, _ = model.search(x, *model.template(z))
    report(f"{arch} eval score", dev((cls.sigmoid() * ctr.sigmoid()).squeeze(2), "eval.score"), tol["prob"])
    report(f"{arch} eval box", dev(box, "eval.box"), tol["box"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[2:] or list(TOLERANCE):
        check(Path(sys.argv[1]), name)
    sys.exit(1 if failures else 0)
