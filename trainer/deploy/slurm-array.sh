#!/usr/bin/env bash
# Workers of one search as a Slurm job array: any number of them, on any nodes, with or without GPUs.
#
#   sbatch --array=0-15 slurm-array.sh
#   sbatch --dependency=afterany:<array job> --array=0 slurm-array.sh --final
#
# Set what follows, or export it before. The last job searches on if trials are missing, then trains on the best
# parameters.
#SBATCH --job-name=optimil-hpo
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
# 60 s before its time is over, a worker gets SIGTERM and hands its trial back. For a GPU a worker: --gpus-per-task=1.
#SBATCH --signal=B:TERM@60
#SBATCH --output=%x-%A-%a.log
set -euo pipefail

OPTIMIL=${OPTIMIL:-optimil}
# PostgreSQL, or the path of a journal file on a file system that all nodes share.
STORAGE=${STORAGE:?set STORAGE to postgresql://user:password@host/database, or the path of a journal file}
STUDY=${STUDY:?set STUDY to the name of the study}
DATA=${DATA:?set DATA to the folder with labels.csv and the feature tables}
RUNS=${RUNS:-$PWD/$STUDY}
TRIALS=${TRIALS:-500}

if [ "${1:-}" = --final ]; then
  final=() out=$RUNS/final
else
  final=(--no-final) out=$RUNS/worker-${SLURM_ARRAY_TASK_ID:-0}
fi

# In the background and waited for, so that the shell passes SIGTERM on at once.
"$OPTIMIL" hpo \
  --storage "$STORAGE" --study "$STUDY" --trials "$TRIALS" --jobs auto \
  --labels "$DATA/labels.csv" --feat2d "$DATA/feat2d_scaled.csv.gz" \
  --feat3d "$DATA/feat3d_scaled.csv.gz" --feat3d-qm "$DATA/feat3d_qm_scaled.csv.gz" \
  "${final[@]}" --out "$out" &
worker=$!
trap 'kill -TERM "$worker"' TERM INT
# The first wait ends with the signal, the second with the worker.
wait "$worker" || wait "$worker"
