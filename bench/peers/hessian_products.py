"""PyTorch's side of the comparison: Hessian-vector products by double backward.

Reads a folder that bench/peer.js wrote (spec.json and raw float32 files), then one command a line on
standard input, and answers each with one line of JSON:

    double     milliseconds of a product, first backward pass included, over all batches
    retained   the same with the graph of the first backward pass kept from before
    value      the product itself, dotted with a fixed vector, to compare results
"""

import json
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from networks import Problem, speed

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
problem = Problem(folder, "kernels")
spec, inputs, targets, prunable = problem.spec, problem.inputs, problem.targets, problem.kernels
forward = problem.forward()
batches = list(zip(inputs.split(spec["batch"]), targets.split(spec["batch"])))
leaves = [tensor for _, tensor, _ in prunable]
vector = [
    problem.raw(f"vector-{name.replace('/', '-')}", problem.weights[name].shape).permute(p).contiguous()
    for name, _, p in prunable
]


def gradient(batch):
    x, y = batch
    loss = F.cross_entropy(forward(x), y, reduction="sum")
    return torch.autograd.grad(loss, leaves, create_graph=True)


def product(gradients, retain):
    return torch.autograd.grad(gradients, leaves, vector, retain_graph=retain)


def add(total, parts):
    return [p.clone() for p in parts] if total is None else [t.add_(p) for t, p in zip(total, parts)]


def double():
    total = None
    for batch in batches:
        total = add(total, product(gradient(batch), False))
    return [t / len(inputs) for t in total]


kept = None


def retained():
    global kept
    if kept is None:
        kept = [gradient(batch) for batch in batches]
    total = None
    for gradients in kept:
        total = add(total, product(gradients, True))
    return [t / len(inputs) for t in total]


for line in sys.stdin:
    command = line.strip()
    if command == "speed":
        print(json.dumps(speed()), flush=True)
        continue
    if command == "value":
        result = double()
        value = {name: r.permute(tuple(numpy.argsort(p))).flatten().tolist() for (name, _, p), r in zip(prunable, result)}
        print(json.dumps(value), flush=True)
        continue
    run = {"double": double, "retained": retained}[command]
    run()
    start = time.perf_counter()
    for _ in range(spec["repeats"]):
        run()
    print(json.dumps({"milliseconds": 1000 * (time.perf_counter() - start) / spec["repeats"]}), flush=True)
