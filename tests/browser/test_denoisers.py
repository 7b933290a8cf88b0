"""The chooser of denoisers: what is chosen before Start is what the broadcast begins with."""

from playwright.async_api import expect

from tests.browser.people import register


async def test_a_denoiser_is_chosen_before_start(server, visit) -> None:
    """In the studio the default is shown; what is chosen there serves from the first packet on, and its delay is the broadcast's."""
    house = await server()
    ada = await visit(house.url)
    await register(ada, house.url, "Ada")
    await ada.get_by_text("Sound details").click()
    chooser = ada.get_by_label("Denoiser", exact=True)
    await expect(chooser).to_be_enabled()
    await expect(chooser.locator("option", has_text="RNNoise")).to_be_enabled()
    await chooser.select_option("passthrough")
    await ada.get_by_role("button", name="Start Streaming").click()
    await expect(ada.get_by_role("button", name="Stop Streaming")).to_be_visible()
    await expect(ada.get_by_text("Denoise is active.")).to_be_visible()
    await expect(chooser).to_have_value("passthrough")
    status = await ada.evaluate("async () => (await fetch('/api/stream/status/Ada')).json()")
    assert (status["denoise"]["denoiser"], status["latency_ms"]["algorithmic"]) == ("passthrough", 20)
