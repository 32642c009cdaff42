#!/bin/sh
# Runs a command in the environment that setup.sh has made.
#
#   sh run.sh test [FILTER …]        the GPU tests (scripts/test-gpu.mjs says which options there are); having no GPU is a failure
#   sh run.sh siamtrain doctor       the command line
#   sh run.sh node bench/step.ts …   anything else
#
# SIAMFCPP_UNPACKED says where setup.sh unpacked, if that was not the place it chooses by itself.
set -eu
pack=$(cd "$(dirname "$0")" && pwd)
if [ -n "${SIAMFCPP_UNPACKED:-}" ]; then target=$SIAMFCPP_UNPACKED
elif grep -q '"besideCheckout": true' "$pack/pack.json"; then target=$(dirname "$pack")
else target=siamfcpp-native
fi
target=$(cd "$target" && pwd)
[ -f "$target/.cache/gpu-environment.sh" ] || { echo "run.sh: run setup.sh first ($target has no .cache/gpu-environment.sh)" >&2; exit 1; }
. "$target/.cache/gpu-environment.sh"
cd "$target"
case ${1:-} in
  test) shift; exec node scripts/test-gpu.mjs --skip-setup --require-gpu "$@" ;;
  siamtrain) shift; exec node bin/siamtrain.js "$@" ;;
  '') echo "run.sh: which command?" >&2; exit 2 ;;
  *) exec "$@" ;;
esac
