"""The page in the browser: ``multimodal-ser app``."""

from __future__ import annotations

#: What the page, and the command's help, say of consent and of what is forbidden:
#: Regulation (EU) 2024/1689, article 5(1)(f).
CONSENT = (
    "Record and analyse people only with their consent, and remember that what is shown is how a "
    "voice and a face come across to a model, not what somebody feels.",
    "Inferring emotions at work and in schools is forbidden in many places, in the European Union "
    "by article 5(1)(f) of the AI Act; do not use this there, nor to decide about people.",
)
