#!/bin/sh
# Makes a checkout ready from this pack, without Node and without a network, and prints the environment to use.
#
#   sh setup.sh [FOLDER]     where to unpack; a pack that lies inside of a checkout: that checkout, else ./siamfcpp-native
#
# Needs tar, python3 with torch 2.11 (or SIAMFCPP_LIBTORCH); xz where there is one. Where the packed addon does not load it is built:
# then also cmake, a C++ compiler, and ninja or make.
set -eu

pack=$(cd "$(dirname "$0")" && pwd)
if [ $# -gt 0 ]; then target=$1
elif grep -q '"besideCheckout": true' "$pack/pack.json"; then target=$(dirname "$pack")
else target=siamfcpp-native
fi
mkdir -p "$target"
target=$(cd "$target" && pwd)
if grep -q '"besideCheckout": true' "$pack/pack.json" && [ ! -f "$target/lib/native/load.ts" ]; then
  echo "setup.sh: $target is no checkout, and this pack was made to lie beside one" >&2
  exit 1
fi

unpack() {
  if command -v xz >/dev/null 2>&1; then
    # Threads of an xz before 5.4 are for packing only; it ignores the option here.
    xz -T0 -dc "$1" | tar -C "$target" -x -f -
  else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$1" "$target"
  fi
}
jobs=
for archive in "$pack"/*.tar.xz; do
  unpack "$archive" &
  jobs="$jobs $!"
done
for job in $jobs; do wait "$job" || { echo "setup.sh: unpacking failed" >&2; exit 1; }; done

node=$target/node_modules/node/bin/node
"$node" --version >/dev/null || { echo "setup.sh: $node does not run here" >&2; exit 1; }

# Where libtorch is: SIAMFCPP_LIBTORCH, else the torch of python3; the same search as set-up's.
found=$("$node" "$target/scripts/locate-libtorch.mjs") || true
libtorch=$("$node" -p 'JSON.parse(process.argv[1]).found?.path ?? ""' "$found" 2>/dev/null) || libtorch=
if [ -z "$libtorch" ]; then
  echo "setup.sh: no libtorch 2.11.0: $found" >&2
  exit 1
fi

environment=$target/.cache/gpu-environment.sh
mkdir -p "$target/.cache" "$target/build"
{
  echo "export PATH='$target/node_modules/.bin':\"\$PATH\""
  echo "export SIAMFCPP_LIBTORCH='$libtorch'"
  [ ! -d "$target/.cache/shared" ] || echo "export SIAMFCPP_SHARED='$target/.cache/shared'"
  echo "export SIAMFCPP_BENCH_PYTHON=\"\${SIAMFCPP_BENCH_PYTHON:-python3}\""
} > "$environment"
. "$environment"

# The packed addon looks for libtorch behind this link.
rm -rf "$target/build/libtorch"
ln -s "$libtorch" "$target/build/libtorch"
addon=$target/build/Release/siamfcpp.node
if [ -f "$addon" ] && reason=$("$node" -e 'process.dlopen({ exports: {} }, process.argv[1])' "$addon" 2>&1); then
  "$node" --input-type=module -e '
    const [root, found] = process.argv.slice(1)
    const { writeState } = await import(`${root}/scripts/lib/state.mjs`)
    const { path, version, source } = JSON.parse(found).found
    writeState(root, { libtorch: { path, version, source } })' "$target" "$found"
  echo "the packed addon is used"
else
  [ ! -f "$addon" ] || echo "the packed addon does not load here, so it is built: $(echo "$reason" | grep -m1 Error || echo "$reason" | head -1)"
  rm -rf "$target/build"
  "$node" "$target/scripts/setup.mjs" --only libtorch native
fi

echo "ready in $target; the environment ($environment):"
cat "$environment"
