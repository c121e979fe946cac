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

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
spec = json.load(open(f"{folder}/spec.json"))


def raw(name, shape):
    return torch.from_numpy(numpy.fromfile(f"{folder}/{name}", dtype=numpy.float32).reshape(shape).copy())


weights = {w["name"]: raw(w["file"], w["shape"]) for w in spec["weights"]}
prunable = []


def parameter(name, permutation):
    """A kernel in torch's layout, as a leaf; the vector and the result are permuted likewise."""
    tensor = weights[name].permute(permutation).contiguous().requires_grad_(True)
    prunable.append((name, tensor, permutation))
    return tensor


def dense(layer):
    kernel = parameter(f"{layer}/kernel", (1, 0))
    bias = weights.get(f"{layer}/bias")
    return lambda x: F.linear(x, kernel, bias)


def convolution(layer, stride=1, padding=0):
    kernel = parameter(f"{layer}/kernel", (3, 2, 0, 1))
    bias = weights.get(f"{layer}/bias")
    return lambda x: F.conv2d(x, kernel, bias, stride, padding)


def normalization(layer):
    mean, variance = weights[f"{layer}/moving_mean"], weights[f"{layer}/moving_variance"]
    scale, offset = weights[f"{layer}/gamma"], weights[f"{layer}/beta"]
    return lambda x: F.batch_norm(x, mean, variance, scale, offset, False, 0.0, 1e-5)


def multilayer_perceptron():
    layers = [dense(name) for name in spec["layers"]]

    def forward(x):
        x = x.flatten(1)
        for layer in layers[:-1]:
            x = F.relu(layer(x))
        return layers[-1](x)

    return forward


def lenet5():
    first, second = convolution("conv_1", padding=2), convolution("conv_2")
    layers = [dense(name) for name in ("dense_1", "dense_2", "dense_3")]

    def forward(x):
        x = F.max_pool2d(F.relu(first(x)), 2)
        x = F.max_pool2d(F.relu(second(x)), 2)
        # The kernels of the dense layers expect channels last.
        x = x.permute(0, 2, 3, 1).flatten(1)
        for layer in layers[:-1]:
            x = F.relu(layer(x))
        return layers[-1](x)

    return forward


def resnet20():
    first, first_norm = convolution("conv1", padding=1), normalization("bn1")
    blocks = []
    for stage, width in ((1, 16), (2, 32), (3, 64)):
        for index in range(3):
            stride = 2 if stage > 1 and index == 0 else 1
            name = f"layer{stage}_{index}"
            blocks.append(
                (
                    convolution(f"{name}_conv1", stride, 1),
                    normalization(f"{name}_bn1"),
                    convolution(f"{name}_conv2", 1, 1),
                    normalization(f"{name}_bn2"),
                    stride,
                    width,
                )
            )
    last = dense("fc")

    def forward(x):
        x = F.relu(first_norm(first(x)))
        for conv1, norm1, conv2, norm2, stride, width in blocks:
            y = norm2(conv2(F.relu(norm1(conv1(x)))))
            if stride == 2:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, width // 4, width // 4))
            x = F.relu(x + y)
        return last(x.mean((2, 3)))

    return forward


forward = {"mlp": multilayer_perceptron, "lenet5": lenet5, "resnet20": resnet20}[spec["network"]]()
inputs = raw("inputs", spec["inputShape"])
if inputs.dim() == 4:
    inputs = inputs.permute(0, 3, 1, 2).contiguous()
targets = raw("targets", spec["targetShape"]).argmax(1)
batches = list(zip(inputs.split(spec["batch"]), targets.split(spec["batch"])))
leaves = [tensor for _, tensor, _ in prunable]
vector = [raw(f"vector-{name.replace('/', '-')}", weights[name].shape).permute(p).contiguous() for name, _, p in prunable]


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


def matrix_product_gigaflops(size=1024, runs=5):
    a, b = torch.rand(size, size), torch.rand(size, size)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2e-9 * size**3 / sorted(times)[runs // 2]


for line in sys.stdin:
    command = line.strip()
    if command == "speed":
        print(json.dumps({"version": torch.__version__, "gigaflops": matrix_product_gigaflops()}), flush=True)
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
