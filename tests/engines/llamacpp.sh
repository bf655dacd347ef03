# What tests run of llama.cpp: its own server as a Python module, prebuilt for the CPU.
"$1" -m pip --disable-pip-version-check install --quiet xllamacpp==2026.10.11549
