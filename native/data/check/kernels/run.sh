#!/bin/sh
# Builds the kernels of the JPEG decoder with their check and runs it: `native/data/check/kernels/run.sh`, or with a sanitizer,
# `… address,undefined`. Needs a C++ compiler (CXX, or c++) and the installed npm packages; leaves nothing behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=$(cd "$here/../.." && pwd)
case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "no JPEG library for $(uname -m)" >&2; exit 2 ;; esac
library=$data/../../node_modules/@julusian/jpeg-turbo/prebuilds/jpeg-turbo-linux-$arch/libturbojpeg.so.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CXX:-c++}" -std=c++17 -O2 -g -Wall -Wextra ${1:+"-fsanitize=$1" -fno-sanitize-recover=all} -o "$work/check" "$here"/*.cc "$data"/jpeg/kernels*.cc "$data/turbojpeg_api.cc" -ldl
"$work/check" "$library"
