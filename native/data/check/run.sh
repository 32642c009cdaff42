#!/bin/sh
# Builds native/data with a sanitizer and runs the loader's check: `native/data/check/run.sh thread`, `… address` or `… undefined`.
# Needs g++ and the installed npm packages; leaves nothing behind.
set -eu
kind=${1:-thread}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "no JPEG library for $(uname -m)" >&2; exit 2 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
g++ -std=c++17 -O1 -g -Wall -Wextra -fno-omit-frame-pointer "-fsanitize=$kind" -fno-sanitize-recover=all -o "$work/check" "$here"/*.cc "$here"/../*.cc $(find "$here"/../jpeg "$here"/../pack "$here"/../picture -name "*.cc" 2>/dev/null) -ldl -lpthread
mkdir "$work/frames"
"$work/check" "$root/node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-linux-$arch/libturbojpeg.so.0" "$work/frames"
