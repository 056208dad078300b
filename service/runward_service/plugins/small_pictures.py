"""A small picture of each common type: four by four squares, for canary runs of plugins that name no
input of their own.
"""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from runward_service.domain.canary_input import CanaryInput

if TYPE_CHECKING:
    from collections.abc import Iterable

PICTURES: dict[str, str] = {
    "image/png": (
        "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAR0lEQVR42mPU0NBgwAauX7+OVVxTU5Mk9UwMNAajFoxaQDlg/P//"
        "P1XSOy71o3EwasFQyAej9cGoBaMWjNYHoxaMWsDAwAAAT2MZJ3iPKikAAAAASUVORK5CYII="
    ),
    "image/jpeg": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6j"
        "q62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
        "pKSkpKSkpKT/wAARCAAgACADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
        "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
        "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
        "4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC"
        "AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm"
        "Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq"
        "8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDFr0CivP6ACvQKK8/oAK9Aorz+gAr0CivP6AP/2Q=="
    ),
    "image/gif": (
        "R0lGODdhIAAgAIIAAAAAADMAAAAzMzMzM////wAAAAAAAAAAACwAAAAAIAAgAEAI1gAHCBwokIDBgwYJEkTIsCEBhQMdPoRIcQAA"
        "iQoBFJTo0GJGjBUzDgBJUCPHjhRJDgwgoCJGjQI1XjzJ0KNCkDBDWlQ5cGZDkT5rltxJE6FLlBB5xuQZYEDLlEg9moy6sGNOj0WN"
        "Xt34E6KAlx8dyoQ4FibYsSOtxoyo1mban2i51oz7dm7StlWzEiiLVazUvnDXEg1s86tatGedytUquC5CmDlb8nV8kC7lhJABC92a"
        "WLPRxpcfZp7atbHehGvNHrapEjJYjyxJIo4qgGXooYsPEmTZNCAAOw=="
    ),
    "image/bmp": (
        "Qk2+AAAAAAAAAD4AAAAoAAAAIAAAACAAAAABAAEAAAAAAIAAAADEDgAAxA4AAAIAAAACAAAAAAAAAP///wD/CP8I/yD/IP8C/wL/"
        "IP8g/wT/BP8g/yD/BP8E/wD/AAH/Af9I/0j/AP8A/xL/Ev8A/wD/Qv9C/xD/EP8A/wD//wj/CP8g/yD/Av8C/yD/IP8E/wT/IP8g"
        "/wT/BP8A/wAB/wH/SP9I/wD/AP8S/xL/AP8A/0L/Qv8Q/xD/AP8A/w=="
    ),
    "image/tiff": (
        "SUkqAKYAAACACiBQOBP+DQeDQSCQiEQqBwyDw6CxB/xIURSKxKMRaNxqKRyPx6ISCRyKGSSTyaGyqIyyMQmXRmHR2ZyGayWbymcy"
        "udy2ezCfzKFTShzaizijzqkzylz6LU2gVChQujVSkValVimVqnVyo16pw+q2Kr2Ss2at2iu2qv2yXyi0xOy3Kz3S4xex3a13q23y"
        "w364Xu8XPB3XC3eiWCLQEAkAAAEDAAEAAAAgAAAAAQEDAAEAAAAgAAAAAgEDAAEAAAAIAAAAAwEDAAEAAAAFAAAABgEDAAEAAAAB"
        "AAAAEQEEAAEAAAAIAAAAFgEDAAEAAAAgAAAAFwEEAAEAAACeAAAAHAEDAAEAAAABAAAAAAAAAA=="
    ),
    "image/webp": ("UklGRi4AAABXRUJQVlA4TCEAAAAvH8AHAA/wlP+n/D/lf/7jAWLBZP7S3RlE9D+SJ73kSQ8A"),
    "image/avif": (
        "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAA"
        "AAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAKgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEA"
        "AGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAIAAAACAAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwA"
        "AAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAMm1kYXQSAAoJGBE/9ogIaDQgMhtHEeHhd3TTTTCw"
        "AACLMhzQFQ/Esh3wnknNuoA="
    ),
}
"""By type, in base64."""
WILDCARDS = frozenset({"*/*", "image/*"})


def small_picture(mime_types: Iterable[str]) -> CanaryInput | None:
    """A picture of the first of a plugin's types that there is one of; None where there is none."""
    for declared in mime_types:
        mime_type = "image/png" if declared in WILDCARDS else declared
        if mime_type in PICTURES:
            return CanaryInput(b64decode(PICTURES[mime_type]), mime_type, {}, declared=False)
    return None
