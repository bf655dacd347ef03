#!/usr/bin/env bash
# Ray with this monogram, for the interpreter of a fresh environment: bash tests/engines/ray.sh PYTHON
set -euo pipefail
python=$1
cd "$(dirname "$0")/../.."
"$python" -m pip install --quiet --disable-pip-version-check "$(grep '^torch==' constraints.txt)" -c constraints.txt
"$python" -m pip install --quiet --disable-pip-version-check -e '.[ray]' 'ray==2.60.0' -c constraints.txt
