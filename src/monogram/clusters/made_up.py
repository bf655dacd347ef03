"""An attribute that the table does not know, made from its own words: templates for every kind of phrasing.

How widely it is asked for decides how it is heard (docs/log.md). Each way to ask has look-alikes.
"""

from __future__ import annotations

import re

from monogram.clusters.table import Attribute
from monogram.preferences import Polarity

MY = (
    "What's my {a}?",
    "What is my {a}?",
    "Tell me what my {a} is.",
    "Do you know my {a}?",
    "Remind me of my {a}, please.",
    "my {a}?",
    "So, about me: what's my {a}?",
)
WORD = (
    "What is a {a}?",
    'What does "{a}" mean?',
    "Define {a}.",
    "Why do people ask about {a}?",
    "Explain what a {a} is.",
    "What is meant by {a}?",
    "Give me an example of a {a}.",
    "What kinds of {a} are there?",
    "What should one know about {a}?",
    "How do people talk about {a}?",
    "Is {a} one word or two?",
)
"""What asks for the word alone: it counts as much as all that asks for somebody else's."""
PLAIN = (
    "Which {a} do I have?",
    "Which {a} is mine?",
    "What {a} do I go for?",
    "What {a} do I like?",
    "What did I say about my {a}?",
    "What kind of {a} is mine?",
    "If somebody asks about my {a}, what do you tell them?",
    "What would you put down as my {a}?",
    "How would you describe my {a}?",
    "I forgot what I told you about my {a}.",
    "Fill in the form for me: {a}?",
    "My {a}, do you still have it?",
    "What comes to mind about me when you hear {a}?",
    "What have I got for {a}?",
    "What {a} would you say I have?",
    "When it comes to {a}, what's mine?",
    "Which {a} do I use?",
    "How do I like my {a}?",
    "How do I handle my {a}?",
    "Which {a} am I into?",
    "When or where is my {a}?",
    "How much {a} is right for me?",
    "Which {a} should you keep in mind for me?",
    "whats the {a} i told u about",
    "Have I told you my {a}?",
    "What do you know about me and my {a}?",
    "Could you name my {a}?",
    "I once mentioned my {a}. What was it?",
)
"""How one asks for what the table does not know; the last two never train (docs/log.md)."""
UNWANTED = (
    "Which {a} should I avoid?",
    "What {a} can't I stand?",
    "Which {a} do I stay away from?",
    "Is there any {a} that I don't want?",
    "What {a} should nobody offer me?",
    "Which {a} do I dislike?",
)
"""The same for what is avoided."""
UNWANTED_BY_OTHERS = (
    "Which {a} should Emma avoid?",
    "What {a} can't Bob stand?",
    "Which {a} does my sister stay away from?",
    "Is there any {a} that my boss doesn't want?",
    "What {a} should nobody offer Carlos?",
    "Which {a} do most people dislike?",
    "Which {a} do you dislike?",
)
AVOIDING = re.compile(r"^(?:disliked|hated|unwanted|off-limits|avoided) | (?:to avoid|aversion|dislike)$")
"""What a name of something that is avoided has beside the thing."""
OTHERS = (
    "Which {a} does Emma have?",
    "What kind of {a} is Bob's?",
    "What did my sister say about her {a}?",
    "If somebody asks about Carlos's {a}, what do you tell them?",
    "How would you describe my boss's {a}?",
    "What {a} would my neighbour go for?",
    "Which {a} do most people like?",
    "What would you put down as Priya's {a}?",
    "When it comes to {a}, what's yours?",
    "My dad forgot what his {a} was.",
    "Which {a} does my cousin use?",
    "How does Noah like his {a}?",
    "How does my roommate handle her {a}?",
    "Which {a} is Mr. Tanaka's?",
    "How much {a} is right for a child?",
    "What {a} would you say my friend has?",
)
"""Who else may be meant by such a question; the last two never train."""
ADVICE = (
    "How should I spend my evening, given my {a}?",
    "Help me plan tomorrow around my {a}.",
    "I'm writing a short text about myself and my {a}. What goes in?",
    "What suits me, considering my {a}?",
    "I need an idea that goes with my {a}.",
    "What should I keep in mind this week because of my {a}?",
)
SHOPPING = (
    "Is there anything I should buy for my {a}?",
    "Recommend a product that goes with my {a}.",
    "What would be a good gift for me, thinking of my {a}?",
    "Which gear or supplies would fit my {a}?",
    "Name something worth paying for, given my {a}.",
    "Which book or app would you suggest for my {a}?",
)


def made_up(name: str, polarity: Polarity = "likes") -> Attribute:
    """An attribute that is not in the table, from its own words."""
    thing = AVOIDING.sub("", name)
    unwanted = UNWANTED if polarity == "avoids" or thing != name else ()
    return Attribute(
        name=name,
        synonyms=(),
        polarity="likes",
        single=True,
        near=(),
        say=f"{{target}} {{is}} your {name.replace('{', '{{').replace('}', '}}')}.",
        examples=(),
        ask=(
            *(text.format(a=thing) for text in unwanted),
            *(text.format(a=name) for text in (*MY, *PLAIN)),
        ),
        roundabout=tuple(text.format(a=name) for text in ADVICE),
        recommend=tuple(text.format(a=name) for text in SHOPPING),
        others=(
            *(text.format(a=thing) for text in (UNWANTED_BY_OTHERS if unwanted else ())),
            *(text.format(a=name) for text in OTHERS),
        ),
    )
