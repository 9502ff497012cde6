#!/usr/bin/env bash
# Everything that needs a card, in one run on a rented machine: does it work, how fast is it, and a
# population of nets at full width. The machine has Python, torch for CUDA and no network; what else
# is needed comes as wheels. Each step has a limit of its own and writes as it goes, so that a run
# that is cut short leaves what was found.
#
#   bash tools/gpu_check.sh OUT [--wheels FOLDER] [--data FOLDER] [--device cpu] [STEP...]
#
# OUT      a folder for the results, a file for each step
# wheels   onnxruntime-gpu, and what pip finds missing (`python -m pip check`)
# data     cifar100_train.npz and fashion_mnist.npz, or parts of them; mnist.npz on a CPU
# device   cpu tries the script out, with small inputs
# STEP     of: install machine doctor walls tests speed suspects train judge more; all by default
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 PYTHONPATH=$PWD
python=${PYTHON:-python3} device=cuda wheels="" data="" steps=()
out=$(mkdir -p "$1" && cd "$1" && pwd) || exit 2
shift
while [ $# -gt 0 ]; do
    case $1 in
        --wheels) wheels=$2; shift 2 ;;
        --data) data=$2; shift 2 ;;
        --device) device=$2; shift 2 ;;
        *) steps+=("$1"); shift ;;
    esac
done
[ ${#steps[@]} -gt 0 ] || steps=(install machine doctor walls tests speed suspects train judge more)
# Inputs that a CPU gets through, or those that the figures are about.
if [ "$device" = cpu ]; then
    side=32 workers=2 points=20 plan=(digits-mlp mnist.npz mnist.npz)
else
    side=224 workers=8 points=100 plan=(full cifar100_train.npz fashion_mnist.npz)
fi
population=${POPULATION:-/tmp/auditkit-population}

# step NAME SECONDS FILE COMMAND...: the command's output goes into the file, its end into steps.txt.
step() {
    local name=$1 seconds=$2 file=$out/$3 began=$SECONDS code
    shift 3
    case " ${steps[*]} " in *" $name "*) ;; *) return 0 ;; esac
    printf '\n$ %s\n' "$*" >>"$file"
    timeout --kill-after=5 "$seconds" "$@" >>"$file" 2>&1
    code=$?
    printf '%s: exit code %s after %s s of %s\n' "$name" "$code" $((SECONDS - began)) "$seconds" |
        tee -a "$out/steps.txt"
}

installed() {
    if [ -n "$wheels" ]; then
        # Two packages of onnxruntime write over each other's files.
        "$python" -m pip uninstall --yes --quiet onnxruntime
        "$python" -m pip install --no-index --no-deps --no-compile --quiet "$wheels"/*.whl
    fi
    "$python" -m pip install --no-index --no-deps --no-build-isolation --quiet --editable .
}

machine() {
    uname -srm
    nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv
    "$python" -m pip list --format=freeze | grep -iE '^(torch|onnx|numpy|nvidia|scipy)'
    ls -l /dev/nvidia* /proc/driver/nvidia /sys/kernel/security/lsm
}

speed() { "$python" -m experiments.gpu --device "$device" --side "$side" --suspects 8 "$@"; }

export -f installed machine speed
export python wheels device side
step install 60 machine.txt bash -c installed
step machine 20 machine.txt bash -c machine
step doctor 60 doctor.txt "$python" -m auditkit doctor --device "$device"
step walls 60 doctor.txt "$python" -m experiments.walls_on_card --device "$device"
step tests 150 tests.txt "$python" -m pytest -p no:cacheprovider -n 0 -v -W default \
    tests/owner/test_gpu.py tests/adapters/test_onnx.py
step speed 120 speed.txt bash -c "speed --nets resnet50 --points $points --steps 10 --parts climbs"
step suspects 150 speed.txt bash -c "speed --nets resnet18 --points $points --parts audits,commands --rounds 2"
step train 240 train.txt "$python" -m experiments.lineup train "${plan[0]}" \
    --data "$data/${plan[1]}" --public "$data/${plan[2]}" -o "$population" \
    --device "$device" --workers "$workers"
step judge 240 line-up.md "$python" -m experiments.lineup judge "$population" \
    --device "$device" --workers "$workers"
step more 120 speed.txt bash -c "speed --nets resnet18 vit_b --points 10 1000 --steps 5 --rounds 1"
cat "$out/steps.txt"
