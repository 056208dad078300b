"""The colours that dominate an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runward_service.plugins.builtin.pixels import WITH_ALPHA, shrunk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

SAMPLE_SIDE = 192
CANDIDATES = 48
LEAST_DIFFERENCE = 12.0
"""CIELAB distance below which two colours count as one."""


def dominant_colours(image: Image, count: int) -> list[dict[str, Any]]:
    """Return at most count colours, the most frequent first, each with its share (0 to 1) of the visible pixels.

    A small copy is cut into colour boxes (median cut), which are centred (k-means) and merged while two of them look
    alike. Pixels that are more than half transparent are left out; without any visible pixel there are no colours.
    """
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap
    from PIL import Image as PillowImage  # noqa: PLC0415

    small = shrunk(image, SAMPLE_SIDE)
    pixels = np.asarray(small.convert("RGB")).reshape(-1, 3)
    if small.mode in WITH_ALPHA:
        pixels = pixels[np.asarray(small.getchannel("A")).ravel() > 127]
    if count == 0 or len(pixels) == 0:
        return []
    strip = PillowImage.fromarray(np.ascontiguousarray(pixels[None]))
    candidates = strip.quantize(CANDIDATES, PillowImage.Quantize.MEDIANCUT, kmeans=3).convert("RGB")
    colours, counts = np.unique(np.asarray(candidates)[0], axis=0, return_counts=True)
    merged = _merged(colours.astype(float), counts.astype(float))
    ranked = sorted((-weight, "#" + "".join(f"{round(v):02x}" for v in colour)) for colour, weight in merged)
    return [{"hex": name, "share": round(-weight / len(pixels), 4)} for weight, name in ranked[:count]]


def _merged(colours: NDArray[np.float64], counts: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], float]]:
    """Merge the two nearest colours, weighted by their counts, until all differ visibly."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    while len(colours) > 1:
        lab = _lab(colours)
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        first, second = sorted(int(i) for i in np.unravel_index(np.argmin(distances), distances.shape))
        if distances[first, second] >= LEAST_DIFFERENCE:
            break
        colours[first] = np.average(colours[[first, second]], axis=0, weights=counts[[first, second]])
        counts[first] += counts[second]
        colours, counts = np.delete(colours, second, axis=0), np.delete(counts, second)
    return [(colour, float(weight)) for colour, weight in zip(colours, counts, strict=True)]


def _lab(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert sRGB colours (rows of three, 0 to 255) to CIELAB under D65."""
    import numpy as np  # noqa: PLC0415 - importing a plugin stays cheap

    share = colours / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root.T
    lab: NDArray[np.float64] = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
    return lab
