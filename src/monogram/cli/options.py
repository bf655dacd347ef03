"""The arguments and options that several commands share, said once."""

from pathlib import Path
from typing import Annotated

import typer

from monogram.cli import complete

User = Annotated[
    str,
    typer.Argument(
        help="The person's id: any text, taken as it is.", show_default=False, autocompletion=complete.users
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask; say yes.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="smollm2 (embedded), a folder, a .gguf file or a hub id.",
        autocompletion=complete.models,
    ),
]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="MONOGRAM_HOME",
        help="Where models and people are kept (default: the user's cache and data folders).",
        show_default=False,
    ),
]
Editor = Annotated[
    str | None,
    typer.Option(
        "--editor",
        help="How preferences become weights (default: the person's last one, at first neuron).",
        show_default=False,
        autocompletion=complete.points("monogram.editors"),
    ),
]
Tokens = Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest answer, in tokens.")]
Llm = Annotated[
    str | None,
    typer.Option(help="The language model's name.", envvar="MONOGRAM_LLM_MODEL", show_default=False),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="Its OpenAI-compatible server (default: OpenAI's own).",
        envvar="OPENAI_BASE_URL",
        show_default=False,
    ),
]
AtOnce = Annotated[int, typer.Option(min=1, max=64, help="Requests at the same time.")]
Retries = Annotated[
    int, typer.Option(min=0, max=10, help="How often a failure or a bad answer is tried again.")
]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds to wait for an answer.")]
