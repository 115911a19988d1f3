"""Building a chain: add, adjust, order, remove, share."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from services.process import filters
from shared.catalogue import check_chain
from shared.chain import parse_chain, short_form
from tests.web.studio import Studio

PRESETS = json.loads((Path(__file__).parents[2] / "services/ingest/web/presets.json").read_text())


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: str(preset["name"]))
def test_every_preset_is_a_chain_that_the_engine_takes(preset: dict[str, str]) -> None:
    check_chain(parse_chain(preset["chain"]), filters.documents())
    assert set(preset) == {"name", "title", "summary", "chain"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sepia",
        "sepia,blur:size=9",
        " sepia , blur: size = 9 ",
        "brighten:amount=-20",
        "rotate:angle=12.5",
        "resize:width=800:height=600:fit=stretch:enlarge=false",
        "crop:width=null",
    ],
)
def test_the_page_reads_and_writes_the_short_form_as_the_services_do(studio: Studio, text: str) -> None:
    script = """async (text) => {
      const { parseShort, writeShort } = await import("/web/chain.js");
      const steps = parseShort(text);
      return [steps.map(({ name, parameters }) => ({ name, ...parameters })), writeShort(steps)];
    }"""
    chain = parse_chain(text)
    assert studio.page.evaluate(script, text) == [chain, short_form(chain)]


def test_every_filter_of_the_catalogue_can_be_added(studio: Studio) -> None:
    names = [document.name.replace("_", " ").capitalize() for document in filters.documents()]
    for name in names:
        studio.add(name)
    assert studio.chain == names


def test_the_chain_is_in_the_address_and_comes_back_from_it(studio: Studio) -> None:
    card = studio.add("Blur")
    card.get_by_role("spinbutton", name="Size").fill("15")
    card.get_by_role("spinbutton", name="Size").press("Tab")
    studio.add("Sepia")
    studio.page.get_by_label("Format").select_option("WebP")
    assert studio.page.url == f"{studio.url}/?chain=blur:size=15,sepia&format=webp"
    studio.reload()
    assert studio.chain == ["Blur", "Sepia"]
    expect(studio.cards.first.get_by_role("spinbutton", name="Size")).to_have_value("15")
    expect(studio.page.get_by_label("Format")).to_have_value("webp")


def test_a_link_with_a_filter_that_is_gone_says_so(studio: Studio) -> None:
    studio.open("?chain=sepia,halftone")
    expect(studio.cards.last).to_contain_text("The workers do not have this filter.")


def test_a_look_sets_the_whole_chain_and_a_second_press_clears_it(studio: Studio) -> None:
    noir = studio.button("Noir")
    noir.click()
    assert studio.chain == ["Grayscale", "Contrast", "Sharpen"]
    expect(noir).to_have_attribute("aria-pressed", "true")
    noir.click()
    assert studio.chain == []


def test_a_changed_value_offers_the_way_back_to_the_default(studio: Studio) -> None:
    card = studio.add("Blur")
    size = card.get_by_role("spinbutton", name="Size")
    reset = card.get_by_role("button", name="Size: back to the default")
    expect(reset).to_be_hidden()
    size.fill("21")
    size.press("Tab")
    reset.click()
    expect(size).to_have_value("9")
    assert studio.page.url.endswith("?chain=blur")


def test_values_are_kept_to_what_the_schema_allows(studio: Studio) -> None:
    card = studio.add("Blur")
    size = card.get_by_role("spinbutton", name="Size")
    for typed, kept in (("8", "9"), ("1000", "99"), ("-4", "1"), ("", "9")):
        size.fill(typed)
        size.press("Tab")
        expect(size).to_have_value(kept)


def test_slider_and_number_are_one_value(studio: Studio) -> None:
    card = studio.add("Brighten")
    card.get_by_role("slider").press("ArrowRight")
    expect(card.get_by_role("spinbutton", name="Amount")).to_have_value("41")
    assert "brighten:amount=41" in studio.page.url


@pytest.mark.parametrize(("name", "label"), [("Blur", "Size px"), ("Rotate", "Angle °"), ("Contrast", "Strength %")])
def test_a_slider_says_its_unit(studio: Studio, name: str, label: str) -> None:
    card = studio.add(name)
    expect(card.get_by_role("slider").first).to_be_visible()
    expect(card.locator("label").first).to_have_text(label)


def test_the_link_to_a_chain_can_be_copied(studio: Studio) -> None:
    studio.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    studio.open("?chain=sepia,blur:size=15")
    studio.button("Copy link").click()
    expect(studio.page.locator(".toast")).to_contain_text("Link to this chain copied.")
    assert studio.page.evaluate("navigator.clipboard.readText()") == studio.page.url


def test_where_nothing_can_be_copied_the_address_is_pointed_at(studio: Studio) -> None:
    # As on plain HTTP beyond loopback.
    studio.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    studio.button("Copy link").click()
    expect(studio.page.locator(".toast")).to_contain_text("Copy the address of this page")


def test_steps_move_with_the_arrow_keys(studio: Studio) -> None:
    studio.open("?chain=blur,sepia,negative")
    studio.cards.nth(2).locator(".grip").press("ArrowUp")
    assert studio.chain == ["Blur", "Negative", "Sepia"]
    # The focus stays on the step that moves, so that a second press moves it on.
    studio.page.keyboard.press("ArrowUp")
    assert studio.chain == ["Negative", "Blur", "Sepia"]
    expect(studio.page.locator("#live")).to_have_text("Negative is now step 1 of 3.")


def test_steps_move_by_dragging(studio: Studio) -> None:
    studio.open("?chain=grayscale,negative,sepia")
    grip = studio.cards.nth(2).locator(".grip").bounding_box()
    first = studio.cards.nth(0).bounding_box()
    assert grip is not None
    assert first is not None
    mouse = studio.page.mouse
    mouse.move(grip["x"] + 10, grip["y"] + 10)
    mouse.down()
    mouse.move(first["x"] + 20, first["y"] + 4, steps=8)
    mouse.up()
    assert studio.chain == ["Sepia", "Grayscale", "Negative"]


def test_a_removed_step_hands_the_focus_on(studio: Studio) -> None:
    studio.open("?chain=blur,sepia")
    studio.button("Remove Blur").click()
    assert studio.chain == ["Sepia"]
    expect(studio.cards.locator(".grip")).to_be_focused()
    studio.button("Remove Sepia").click()
    expect(studio.button("Add a filter")).to_be_focused()
