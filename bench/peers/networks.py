"""The benchmarks' networks in PyTorch, with weights that JavaScript wrote: spec.json and raw float32 files."""

import json
import time

import numpy
import torch
import torch.nn.functional as F


class Problem:
    """A folder with spec.json, weights, inputs and targets; hands out layers by name.

    Weights of layers are leaves in PyTorch's layout where they are trained. `trained` is "kernels", or "all", which
    then normalises with the statistics of the batch.
    """

    def __init__(self, folder, trained):
        self.folder = folder
        self.trained = trained
        self.spec = json.load(open(f"{folder}/spec.json"))
        self.weights = {w["name"]: self.raw(w["file"], w["shape"]) for w in self.spec["weights"]}
        self.kernels = []
        self.others = []
        self.inputs = self.raw("inputs", self.spec["inputShape"])
        if self.inputs.dim() == 4:
            self.inputs = self.inputs.permute(0, 3, 1, 2).contiguous()
        self.targets = self.raw("targets", self.spec["targetShape"]).argmax(1)

    def raw(self, name, shape):
        values = numpy.fromfile(f"{self.folder}/{name}", dtype=numpy.float32)
        return torch.from_numpy(values.reshape(shape).copy())

    def kernel(self, name, permutation):
        """A kernel in torch's layout, as a leaf; what belongs to it is permuted likewise."""
        tensor = self.weights[name].permute(permutation).contiguous().requires_grad_(True)
        self.kernels.append((name, tensor, permutation))
        return tensor

    def other(self, name):
        tensor = self.weights.get(name)
        if tensor is not None and self.trained == "all":
            tensor.requires_grad_(True)
            self.others.append(tensor)
        return tensor

    def dense(self, layer):
        kernel, bias = self.kernel(f"{layer}/kernel", (1, 0)), self.other(f"{layer}/bias")
        return lambda x: F.linear(x, kernel, bias)

    def convolution(self, layer, stride=1, padding=0):
        kernel, bias = self.kernel(f"{layer}/kernel", (3, 2, 0, 1)), self.other(f"{layer}/bias")
        return lambda x: F.conv2d(x, kernel, bias, stride, padding)

    def normalization(self, layer):
        mean, variance = self.weights[f"{layer}/moving_mean"], self.weights[f"{layer}/moving_variance"]
        scale, offset = self.other(f"{layer}/gamma"), self.other(f"{layer}/beta")
        of_batch = self.trained == "all"
        return lambda x: F.batch_norm(x, mean, variance, scale, offset, of_batch, 0.1, 1e-5)

    def forward(self):
        """The network of the spec as a function of images, channels first."""
        return NETWORKS[self.spec["network"]](self)


def multilayer_perceptron(problem):
    layers = [problem.dense(name) for name in problem.spec["layers"]]

    def forward(x):
        x = x.flatten(1)
        for layer in layers[:-1]:
            x = F.relu(layer(x))
        return layers[-1](x)

    return forward


def lenet5(problem):
    first, second = problem.convolution("conv_1", padding=2), problem.convolution("conv_2")
    layers = [problem.dense(name) for name in ("dense_1", "dense_2", "dense_3")]

    def forward(x):
        x = F.max_pool2d(F.relu(first(x)), 2)
        x = F.max_pool2d(F.relu(second(x)), 2)
        # The kernels of the dense layers expect channels last.
        x = x.permute(0, 2, 3, 1).flatten(1)
        for layer in layers[:-1]:
            x = F.relu(layer(x))
        return layers[-1](x)

    return forward


def resnet20(problem):
    first, first_norm = problem.convolution("conv1", padding=1), problem.normalization("bn1")
    blocks = []
    for stage, width in ((1, 16), (2, 32), (3, 64)):
        for index in range(3):
            stride = 2 if stage > 1 and index == 0 else 1
            name = f"layer{stage}_{index}"
            blocks.append(
                (
                    problem.convolution(f"{name}_conv1", stride, 1),
                    problem.normalization(f"{name}_bn1"),
                    problem.convolution(f"{name}_conv2", 1, 1),
                    problem.normalization(f"{name}_bn2"),
                    stride,
                    width,
                )
            )
    last = problem.dense("fc")

    def forward(x):
        x = F.relu(first_norm(first(x)))
        for conv1, norm1, conv2, norm2, stride, width in blocks:
            y = norm2(conv2(F.relu(norm1(conv1(x)))))
            if stride == 2:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, width // 4, width // 4))
            x = F.relu(x + y)
        return last(x.mean((2, 3)))

    return forward


def vgg16(problem):
    stages, index = [], 0
    for convolutions in (2, 2, 3, 3, 3):
        names = range(index + 1, index + convolutions + 1)
        stages.append(
            [(problem.convolution(f"conv_{i}", padding=1), problem.normalization(f"bn_{i}")) for i in names]
        )
        index += convolutions
    last = problem.dense("dense")

    def forward(x):
        for stage in stages:
            for convolution, normalization in stage:
                x = F.relu(normalization(convolution(x)))
            x = F.max_pool2d(x, 2)
        return last(x.mean((2, 3)))

    return forward


NETWORKS = {"mlp": multilayer_perceptron, "lenet5": lenet5, "resnet20": resnet20, "vgg16": vgg16}


def speed(size=1024, runs=5):
    """What the library is, and how fast it multiplies matrices, by wall and by CPU time."""
    a, b = torch.rand(size, size), torch.rand(size, size)
    a @ b
    times, cpu = [], []
    for _ in range(runs):
        start, start_cpu = time.perf_counter(), time.process_time()
        a @ b
        times.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    gigaflops, cpu_gigaflops = (2e-9 * size**3 / sorted(each)[runs // 2] for each in (times, cpu))
    return {"version": torch.__version__, "gigaflops": gigaflops, "cpuGigaflops": cpu_gigaflops}
