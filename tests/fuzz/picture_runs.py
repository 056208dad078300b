"""Hostile pictures, run by every built-in plugin."""

from __future__ import annotations

import runward

PLUGINS = ("image_info", "barcode", "ocr")


async def run_picture(client: runward.Client, plugin: str, mime_type: str, data: bytes) -> str:
    """Analyze one picture; SUCCESS, or the reason of a refusal. Raises what is no fault of the picture."""
    try:
        job = await client.analyze(plugin, data, mime_type=mime_type)
    except runward.ValidationError as error:
        return error.reason
    return str(job.status)
