"""The two sentences on consent and limits that stand wherever emotions are shown."""

from __future__ import annotations

#: Whose recordings may be used.
CONSENT = "Recordings of people need the consent of those who are in them."
#: What must not be done; Regulation (EU) 2024/1689 is the EU's Artificial Intelligence Act.
LIMITS = (
    "What is shown is a guess at what a person expresses, not what they feel, and many places "
    "forbid inferring emotions at work and in schools, such as the EU in article 5(1)(f) of its "
    "AI Act."
)
