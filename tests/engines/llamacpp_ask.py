"""Asks llama.cpp's own server; run by an interpreter that has it, with nothing of ours.

    python llamacpp_ask.py ASKED.json SAID.json

ASKED: {"base": file, "adapter": file or null, "prompts": [[token, ...], ...], "tokens": most of an answer,
"likely": how many of the likeliest tokens to tell with each}. SAID: one {"text", "likely": [{"id",
"logprob"}, ...] of the first token} for each prompt.
"""

import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import xllamacpp

asked = json.loads(Path(sys.argv[1]).read_text())
settings = xllamacpp.CommonParams()
settings.model.path = asked["base"]
settings.n_ctx, settings.n_parallel, settings.port = 1024, 1, 0
settings.cpuparams.n_threads = 2
if asked["adapter"]:
    adapter = xllamacpp.CommonAdapterLoraInfo()
    adapter.path, adapter.scale = asked["adapter"], 1.0
    settings.lora_adapters = [adapter]
server = xllamacpp.Server(settings)
said = []
for prompt in asked["prompts"]:
    wanted = {"prompt": prompt, "n_predict": asked["tokens"], "temperature": 0, "n_probs": asked["likely"]}
    body = json.dumps({**wanted, "cache_prompt": False}).encode()
    request = Request(f"{server.listening_address}/completion", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=600) as answer:
        found = json.load(answer)
    first = (found.get("completion_probabilities") or [{"top_logprobs": []}])[0]
    said.append({"text": found["content"], "likely": first["top_logprobs"]})
Path(sys.argv[2]).write_text(json.dumps(said))
