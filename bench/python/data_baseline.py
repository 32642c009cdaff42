"""Training pairs the way a Python user makes them: OpenCV decodes both frames whole, NumPy takes the mean of the template's frame, warpAffine
cuts both crops, the labels are computed for every pixel of the search crop and then read off on the score grid. One thread.

Started by bench/data.ts, which speaks to it in lines of JSON on stdin and stdout:
  {"frames": [path, …], "boxes": [[x1, y1, x2, y2], …]}   chooses a set of frames      -> {"ready": true}
  {"pairs": N}                                             makes N pairs                -> {"pairs": N, "seconds": …, "cpu": …}
  {"check": [template, search, u0 … u5]}                   one pair from six uniforms   -> {"im_z_sum": …, "im_x_sum": …, "bbox_x": […]}
"""
import json
import sys
import time

import cv2
import numpy as np

try:
    import torch
except ImportError:  # the labels are then made with NumPy, which is somewhat faster for them
    torch = None

Z_SIZE, X_SIZE = 127, 303
CONTEXT, MAX_SCALE, MAX_SHIFT = 0.5, 0.3, 0.4
STRIDE, SCORE_SIZE = 8, 17
OFFSET = (X_SIZE - 1 - (SCORE_SIZE - 1) * STRIDE) // 2
TRIES = 50


def context_side(w, h):
    pad = CONTEXT * (w + h)
    return float(np.sqrt((w + pad) * (h + pad)))


def corners(cx, cy, w, h):
    return np.array([cx - (w - 1) / 2, cy - (h - 1) / 2, cx + (w - 1) / 2, cy + (h - 1) / 2], dtype=np.float32)


def subwindow(image, cx, cy, side, out_size, border):
    x1, y1, x2, y2 = corners(cx, cy, side, side)
    step_x, step_y = (x2 - x1) / (out_size - 1), (y2 - y1) / (out_size - 1)
    matrix = np.array([[step_x, 0, x1], [0, step_y, y1]], dtype=np.float32)
    return cv2.warpAffine(image, matrix, (out_size, out_size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_CONSTANT, borderValue=border)


def crop_pair(image_z, box_z, image_x, box_x, uniform):
    border = tuple(int(c) for c in np.mean(image_z, axis=(0, 1)))
    cz = ((box_z[0] + box_z[2]) / 2, (box_z[1] + box_z[3]) / 2, box_z[2] - box_z[0] + 1, box_z[3] - box_z[1] + 1)
    cx = ((box_x[0] + box_x[2]) / 2, (box_x[1] + box_x[3]) / 2, box_x[2] - box_x[0] + 1, box_x[3] - box_x[1] + 1)
    side_z = context_side(cz[2], cz[3])
    base = Z_SIZE / context_side(cx[2], cx[3])
    for attempt in range(TRIES + 1):
        if attempt < TRIES:
            low, high = 1 / (1 + MAX_SCALE), 1 + MAX_SCALE
            scale = base / (low + (high - low) * uniform())
            uniform()
            side_x = X_SIZE / scale
            dx, dy = ((2 * uniform() - 1) * MAX_SHIFT * side_x / 2 for _ in range(2))
            uniform(), uniform()
        else:
            scale, dx, dy = base, 0.0, 0.0
            side_x = X_SIZE / scale
        middle = (X_SIZE - 1) / 2
        bbox_x = corners(middle + dx * scale, middle + dy * scale, cx[2] * scale, cx[3] * scale)
        if all(0 <= c <= X_SIZE - 1 for c in bbox_x):
            break
    im_z = subwindow(image_z, cz[0], cz[1], side_z, Z_SIZE, border)
    im_x = subwindow(image_x, cx[0] - dx, cx[1] - dy, side_x, X_SIZE, border)
    return im_z, im_x, bbox_x


def full_labels_torch(box):
    """Centerness, offsets and box index of every pixel of the crop, for the box and a dummy one, then the grid's rows of them."""
    boxes = torch.cat([torch.zeros(1, 4), torch.from_numpy(box).reshape(1, 4)])
    ys, xs = torch.meshgrid(torch.arange(X_SIZE), torch.arange(X_SIZE), indexing='ij')
    xs, ys = xs[:, :, None].float(), ys[:, :, None].float()
    left, top = xs - boxes[None, None, :, 0], ys - boxes[None, None, :, 1]
    right, bottom = boxes[None, None, :, 2] - xs, boxes[None, None, :, 3] - ys
    center = torch.sqrt(torch.abs(torch.min(left, right) * torch.min(top, bottom) /
                                  (torch.max(left, right) * torch.max(top, bottom) + 1e-5)))
    center[:, :, 0] = 0
    offsets = torch.stack([left, top, right, bottom], dim=3)
    grid = OFFSET + STRIDE * torch.arange(SCORE_SIZE)
    inside = (offsets[grid][:, grid] > 0).all(dim=3)
    inside[:, :, 0] = False
    hit = torch.from_numpy(np.argmax(inside.numpy().astype(np.uint8), axis=2))
    ctr = torch.gather(center[grid][:, grid], 2, hit[:, :, None])
    return hit.float().reshape(-1, 1), ctr.reshape(-1, 1), boxes[hit].reshape(-1, 4)


def full_labels_numpy(box):
    boxes = np.stack([np.zeros(4, np.float32), box])
    ys, xs = np.meshgrid(np.arange(X_SIZE, dtype=np.float32), np.arange(X_SIZE, dtype=np.float32), indexing='ij')
    left, top = xs[:, :, None] - boxes[:, 0], ys[:, :, None] - boxes[:, 1]
    right, bottom = boxes[:, 2] - xs[:, :, None], boxes[:, 3] - ys[:, :, None]
    center = np.sqrt(np.abs(np.minimum(left, right) * np.minimum(top, bottom) /
                            (np.maximum(left, right) * np.maximum(top, bottom) + np.float32(1e-5))))
    center[:, :, 0] = 0
    offsets = np.stack([left, top, right, bottom], axis=3)
    grid = OFFSET + STRIDE * np.arange(SCORE_SIZE)
    inside = (offsets[np.ix_(grid, grid)] > 0).all(axis=3)
    inside[:, :, 0] = False
    hit = np.argmax(inside, axis=2)
    ctr = np.take_along_axis(center[np.ix_(grid, grid)], hit[:, :, None], axis=2)
    return hit.reshape(-1, 1), ctr.reshape(-1, 1), boxes[hit].reshape(-1, 4)


full_labels = full_labels_numpy if torch is None else full_labels_torch


def make_pair(frames, boxes, z, x, uniform):
    image_z, image_x = cv2.imread(frames[z]), cv2.imread(frames[x])
    im_z, im_x, bbox_x = crop_pair(image_z, boxes[z], image_x, boxes[x], uniform)
    labels = full_labels(bbox_x)
    return np.ascontiguousarray(im_z.transpose(2, 0, 1)), np.ascontiguousarray(im_x.transpose(2, 0, 1)), bbox_x, labels


def main():
    cv2.setNumThreads(1)
    if torch is not None:
        torch.set_num_threads(1)
    rng = np.random.RandomState(0)
    frames, boxes = [], None
    print(json.dumps({'python': sys.version.split()[0], 'opencv': cv2.__version__, 'numpy': np.__version__,
                      'torch': None if torch is None else torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if 'frames' in request:
            frames, boxes = request['frames'], np.array(request['boxes'], dtype=np.float32)
            answer = {'ready': True}
        elif 'check' in request:
            z, x, *uniforms = request['check']
            draws = iter(uniforms)
            im_z, im_x, bbox_x, labels = make_pair(frames, boxes, z, x, lambda: next(draws))
            answer = {'im_z_sum': int(im_z.sum()), 'im_x_sum': int(im_x.sum()), 'bbox_x': bbox_x.tolist(), 'positives': int(labels[0].sum()),
                      'ctr_sum': float(labels[1].sum())}
        else:
            start, cpu = time.perf_counter(), time.process_time()
            for _ in range(request['pairs']):
                z = rng.randint(len(frames))
                make_pair(frames, boxes, z, rng.randint(len(frames)), rng.rand)
            answer = {'pairs': request['pairs'], 'seconds': time.perf_counter() - start, 'cpu': time.process_time() - cpu}
        print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
