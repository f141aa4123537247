"""Intents that we gave by hand to real prompts: a third to train on, a third to measure with.

Keyed by the line number (from 0) in the 500 prompts of Arena-Hard v0.1. Of every three
lines the first is for measuring only, the second for training, the third was not read.
One person labelled them; the few that several intents fit equally well were left out.
More than half ask for code, as the whole set does.
"""

from __future__ import annotations

MEASURED: dict[str, str] = {
    "code_implementation": """
9 18 21 24 36 48 66 72 75 78 84 87 90 96 105 114 117 138 141 144 153 159 168 171 174 177 195 204
210 222 225 231 243 249 261 273 279 288 291 297 303 306 312 315 321 324 333 348 351 354 357 360
363 366 369 375 378 393 396 402 408 411 420 432 435 438 444 447 465 468 474 477 483 489 495 498
""",
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
    "question_answering": "57 81 120 162 189 198 201 228 252 258 285 294 390 441 471 486",
}

TRAINED: dict[str, str] = {
    "code_implementation": """
1 4 10 19 22 25 28 34 37 40 49 52 55 61 64 70 73 76 82 85 91 100 106 121 124 133 139 142 160 163
166 169 172 175 178 196 205 211 217 220 223 232 235 241 253 262 268 277 310 313 325 343 346 349
352 355 358 364 370 376 385 388 394 397 400 403 406 409 415 418 421 424 433 436 439 442 448 454
460 475 478 484 487 493 496 499
""",
    "code_debugging": "31 43 256 382",
    "code_review": "127 148 286 361",
    "code_documentation": "94 244",
    "creative_writing": "265 457",
    "math": "13 16 67 130 283 298 304 334 427 430 445 463 469 472",
    "planning": "145 151 238 274 322 412",
    "analysis": "88 112 118 214 331",
    "extraction": "154 226",
    "documentation": "202",
    "technical_writing": "136 247",
    "decision_support": "271 289 451",
    "translation": "259",
    "question_answering": """
7 46 58 79 97 103 109 157 181 193 199 208 229 280 292 295 301 307 316 328 373 481 490
""",
}


def by_line(table: dict[str, str]) -> dict[int, str]:
    """Line number to label."""
    return {int(line): name for name, lines in table.items() for line in lines.split()}
