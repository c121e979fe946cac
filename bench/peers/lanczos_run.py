"""PyTorch's side of the comparison of whole runs: one Lanczos run over the Hessian, as a user of PyTorch would write it.

Reads a folder that bench/peer-runs.js wrote. The gradient's graph is built once for every batch and kept; a product is one
backward pass through it. Vectors are float64, products float32; where the other side keeps its vectors orthogonal, so
does this one, against all earlier vectors in two matrix products. Prints the coefficients as JSON.
"""

import json
import sys

import torch
import torch.nn.functional as F
from networks import Problem

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
problem = Problem(folder, "kernels")
spec = problem.spec
forward = problem.forward()
leaves = [tensor for _, tensor, _ in problem.kernels]
sizes = [leaf.numel() for leaf in leaves]


def gradient(inputs, targets):
    loss = F.cross_entropy(forward(inputs), targets, reduction="sum")
    return torch.autograd.grad(loss, leaves, create_graph=True)


batches = zip(problem.inputs.split(spec["batch"]), problem.targets.split(spec["batch"]))
gradients = [gradient(*batch) for batch in batches]


def product(vector):
    parts = [part.view_as(leaf) for part, leaf in zip(vector.float().split(sizes), leaves)]
    total = torch.zeros_like(vector)
    for each in gradients:
        total += torch.cat([r.flatten() for r in torch.autograd.grad(each, leaves, parts, retain_graph=True)])
    return total / len(problem.inputs)


def start():
    parts = [
        problem.raw(f"vector-{name.replace('/', '-')}", problem.weights[name].shape).permute(permutation).flatten()
        for name, _, permutation in problem.kernels
    ]
    vector = torch.cat(parts).double()
    return vector / vector.norm()


steps, orthogonal = spec["steps"], spec["orthogonal"]
alpha, beta = [], []
current, previous = start(), None
basis = torch.empty((steps, sum(sizes)), dtype=torch.float64) if orthogonal else None
for step in range(steps):
    residual = product(current)
    if orthogonal:
        basis[step] = current
    alpha.append(torch.dot(residual, current).item())
    residual -= alpha[-1] * current
    if previous is not None:
        residual -= beta[-1] * previous
    if orthogonal:
        earlier = basis[: step + 1]
        residual -= earlier.T @ (earlier @ residual)
    beta.append(residual.norm().item())
    current, previous = residual / beta[-1], current
print(json.dumps({"alpha": alpha, "beta": beta}))
