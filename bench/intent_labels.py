"""Intents that we gave by hand to real prompts, for measuring only: never trained on.

Keyed by the line number (from 0) in the 500 prompts of Arena-Hard v0.1. Every third line
was read by one person; the few that several intents fit equally well were left out. More
than half ask for code, as the whole set does.
"""

from __future__ import annotations

_CODE = """
9 18 21 24 36 48 66 72 75 78 84 87 90 96 105 114 117 138 141 144 153 159 168 171 174 177 195 204
210 222 225 231 243 249 261 273 279 288 291 297 303 306 312 315 321 324 333 348 351 354 357 360
363 366 369 375 378 393 396 402 408 411 420 432 435 438 444 447 465 468 474 477 483 489 495 498
"""

BY_INTENT: dict[str, str] = {
    "code_implementation": _CODE,
    "code_debugging": "30 102 180 234 342 405",
    "code_review": "42 219 318",
    "code_documentation": "111 387",
    "creative_writing": "0 15 54 423 456",
    "problem_solving": "3 12 39 63 108 126 135 147 213 240 282 345 381 426 480",
    "planning": "6 33 60 99 150 339 399 414 462",
    "analysis": "51 123 192 309 330 417 429 453",
    "documentation": "45 69 207",
    "technical_writing": "27 93 165 276 336",
    "research": "372",
    "decision_support": "183 270 450 459",
    "question_answering": """
57 81 120 162 189 198 201 228 252 258 285 294 390 441 471 486
""",
}

LABELS: dict[int, str] = {
    int(line): intent for intent, lines in BY_INTENT.items() for line in lines.split()
}
