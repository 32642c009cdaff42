#!/usr/bin/env bash
# One agent of torchrun on each machine starts a process for each of its GPUs. Run this on every machine of the run:
#
#   NODES=2 NODE_RANK=0 MASTER_ADDR=node0 examples/distributed/torchrun.sh my.yaml      (on node0)
#   NODES=2 NODE_RANK=1 MASTER_ADDR=node0 examples/distributed/torchrun.sh my.yaml      (on node1)
#
# When a process fails, the agents start all of them again, up to three times: --resume auto goes on from the latest snapshot.
set -euo pipefail

config=${1:?usage: [NODES=n NODE_RANK=i MASTER_ADDR=host] torchrun.sh CONFIG [siamtrain train options]}
shift

torchrun \
  --no-python \
  --nnodes "${NODES:-1}" \
  --node-rank "${NODE_RANK:-0}" \
  --nproc-per-node "${GPUS:-8}" \
  --master-addr "${MASTER_ADDR:-127.0.0.1}" \
  --master-port "${MASTER_PORT:-29500}" \
  --max-restarts 3 \
  siamtrain train "$config" --device cuda --resume auto --snapshot-every 500 "$@"
