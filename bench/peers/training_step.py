"""PyTorch's side of the training comparison: steps of SGD with momentum and an l1 penalty on kernels.

Reads a folder that bench/train.js wrote (spec.json and raw float32 files), then one command a line on standard
input, and answers each with one line of JSON:

    speed      the library's version and its speed in matrix products
    losses N   mean cross-entropies of the batch before each of N steps
    steps N    milliseconds and milliseconds of CPU a step, over N steps
    memory     peak of the process in MiB
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from networks import Problem, speed

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
problem = Problem(folder, "all")
spec = problem.spec
forward = problem.forward()
kernels = [tensor for _, tensor, _ in problem.kernels]
optimizer = torch.optim.SGD(kernels + problem.others, lr=spec["rate"], momentum=spec["momentum"])


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(forward(problem.inputs), problem.targets)
    (loss + spec["l1"] * sum(kernel.abs().sum() for kernel in kernels)).backward()
    optimizer.step()
    return loss.item()


def timed(count):
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        step()
    return {
        "milliseconds": 1000 * (time.perf_counter() - start) / count,
        "cpuMilliseconds": 1000 * (time.process_time() - cpu) / count,
    }


for line in sys.stdin:
    command, *given = line.split()
    answer = {
        "speed": speed,
        "losses": lambda count: [step() for _ in range(count)],
        "steps": timed,
        "memory": lambda: {"mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024},
    }[command](*map(int, given))
    print(json.dumps(answer), flush=True)
