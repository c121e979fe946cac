#!/usr/bin/env bash
# An analysis by a worker on every node, models and data on a file system that all nodes share:
#   sbatch --nodes=16 deploy/slurm.sh models/resnet50 --data data --json report.json
# The first node runs redis-server and the analysis as well.
#SBATCH --job-name=prune-limit
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
set -euo pipefail

port=$((20000 + SLURM_JOB_ID % 20000))
threads=${SLURM_CPUS_ON_NODE:-1}
PRUNE_LIMIT_REDIS_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export PRUNE_LIMIT_REDIS_PASSWORD
PRUNE_LIMIT_REDIS_URL=redis://$(hostname):$port
export PRUNE_LIMIT_REDIS_URL

# The password goes in by stdin, as other users see command lines. Nothing is kept on disk.
redis-server - <<CONFIG &
port $port
requirepass $PRUNE_LIMIT_REDIS_PASSWORD
save ""
appendonly no
maxmemory-policy noeviction
CONFIG
redis=$!
srun --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 \
  prune-limit worker --root "$PWD" --threads "$threads" &
workers=$!
trap 'kill "$workers" "$redis" 2>/dev/null || true' EXIT

sleep 2
# The same threads as the workers: another number may give other last digits.
prune-limit analyze "$@" --workers --threads "$threads"
