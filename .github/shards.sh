#!/bin/bash
# Work in N shards, and their merge when all are done:
#   bash shards.sh N OUT COMMAND [FLAGS] [IMAGES]
#   bash shards.sh 100 results evaluate --explainers gradcam,rise photos/
# When no task of it is left in squeue, the same line submits what is missing, and the merge.
set -euo pipefail
n=$1 out=$2
shift 2
here="$(dirname "$0")"
array="0-$((n - 1))"
if [ -d "$out.shards" ]; then array="$(cwox merge --missing "$out")"; fi
after=()
if [ -n "$array" ]; then
	job="$(sbatch --parsable --array="$array" "$here/shards.sbatch" "$n" "$@" -o "$out")"
	echo "shards $array of $n: job $job"
	after=(--dependency="afterok:$job" --kill-on-invalid-dep=yes)
fi
job="$(sbatch --parsable --job-name=cwox-merge --output=cwox-%j.log "${after[@]}" --wrap "cwox merge $(printf %q "$out")")"
echo "merge: job $job"
