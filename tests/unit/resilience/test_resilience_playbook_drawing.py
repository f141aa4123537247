"""Drawings hold every state and event, and nothing in a name becomes markup."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

from playbooks import SMALL, judged, shipped

from federation.resilience.playbook.drawing import dot, svg
from federation.resilience.playbook.layout import arrows, layers

SVG = "{http://www.w3.org/2000/svg}"


def test_dot_names_every_state_and_every_way_with_its_events() -> None:
    text = dot(shipped())
    assert text.startswith("digraph playbook {")
    assert text.rstrip().endswith("}")
    for name in shipped().states:
        assert f'  "{name}" [' in text
    assert '"routing" -> "inferring" [label="node_selected"];' in text
    assert text.count(" -> ") == len(arrows(shipped()))


def test_the_svg_is_xml_with_a_box_for_each_state_and_a_label_for_each_event_of_a_way() -> None:
    root = ElementTree.fromstring(svg(shipped()))
    texts = [each.text for each in root.iter(f"{SVG}text") if each.text]
    assert sorted(texts) == sorted(shipped().states)
    labels = [each.text or "" for each in root.iter(f"{SVG}tspan")]
    assert sorted(labels) == sorted(event for way in arrows(shipped()) for event in way.events)
    assert len(list(root.iter(f"{SVG}path"))) == len(arrows(shipped())) + 1


def test_no_two_boxes_overlap_and_all_lie_within_the_picture() -> None:
    root = ElementTree.fromstring(svg(shipped()))
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    boxes = [
        tuple(float(each.attrib[name]) for name in ("x", "y", "width", "height"))
        for each in root.iter(f"{SVG}rect")
        if "x" in each.attrib
    ]
    assert len(boxes) == 11
    for x, y, w, h in boxes:
        assert x >= 0
        assert x + w <= width
        assert y >= 0
        assert y + h <= height
    for (x, y, w, h), (x2, y2, w2, h2) in combinations(boxes, 2):
        assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_layers_begin_with_the_initial_state_and_are_repeatable() -> None:
    rows = layers(shipped())
    assert rows[0] == ["initializing"]
    assert sorted(name for row in rows for name in row) == sorted(shipped().states)
    assert svg(shipped()) == svg(shipped())


def test_markup_in_names_is_escaped() -> None:
    text = SMALL.replace("busy", '"a<b>&\\"c"').replace('[ "', '["')
    text = text.replace('forbidden: ["a<b>&\\"c" -> "a<b>&\\"c"]\n', "")
    playbook, problems = judged(text)
    assert playbook is not None, problems
    root = ElementTree.fromstring(svg(playbook))
    assert 'a<b>&"c' in [each.text for each in root.iter(f"{SVG}text")]
    drawn = dot(playbook)
    assert '"a<b>&\\"c"' in drawn
    assert not re.search(r'[^\\]"c', drawn)
