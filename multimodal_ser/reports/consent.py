"""Consent and limits, in two sentences: what the help, the app, the pages and the cards say."""

from __future__ import annotations

#: Whose recordings may be used.
CONSENT = "Recordings of people need their consent, and so do predictions made from them."
#: What must not be done: Article 5(1)(f) of the Artificial Intelligence Act,
#: https://eur-lex.europa.eu/eli/reg/2024/1689/oj, which applies since 2025-02-02.
LIMITS = (
    "Inferring emotions at work or in education is forbidden in many places, in the European Union "
    "by Regulation (EU) 2024/1689, Article 5(1)(f), except for medical or safety reasons."
)
#: Both, shown wherever emotions of people are inferred.
SENTENCES = f"{CONSENT} {LIMITS}"
