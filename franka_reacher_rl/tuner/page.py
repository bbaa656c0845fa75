"""The page on which a mask is tuned: the frame, its mask and the coverage beside sliders."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import viser

from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.core.task.bands import Box, suggest
from franka_reacher_rl.core.task.reward import target_mask
from franka_reacher_rl.tuner.picture import Picture, Point, compose

PORT = 8080
HOST = "127.0.0.1"
_BANDS = 3  # at least
_LIMITS = (("hue", 179), ("saturation", 255), ("value", 255))
_MOST_ITERATIONS = 20  # of dilation and erosion
_PERIOD = 0.1  # s, between two frames that are shown

Action = Callable[[RewardSettings], str]  # does something with a mask, and returns what it has done


class _Band:
    """The widgets of one band."""

    def __init__(self, gui: Any, number: int) -> None:
        with gui.add_folder(f"band {number}"):
            self.used = gui.add_checkbox("used", False)
            self.ranges = [
                gui.add_multi_slider(name, min=0, max=most, step=1, initial_value=(0, most)) for name, most in _LIMITS
            ]

    def show(self, band: Sequence[int]) -> None:
        """Show six numbers, or none for a band that is not used."""
        self.used.value = bool(band)
        for slider, low, high in zip(self.ranges, band[:3], band[3:], strict=False):
            slider.value = (low, high)

    def values(self) -> list[int]:
        """Return six numbers, or none if the band is not used."""
        lows, highs = zip(*(slider.value for slider in self.ranges), strict=True)
        return [int(value) for value in (*lows, *highs)] if self.used.value else []


class Page:
    """Widgets of the bands and of the morphology, and what they make of the newest frame.

    Attributes:
        aspect: Width of the window divided by its height; the default holds until a browser has connected.
        box: What a person has drawn, in pixels of the frame; None: nothing.
    """

    aspect = 1.3

    def __init__(
        self,
        settings: RewardSettings,
        actions: Mapping[str, Action],
        port: int = PORT,
        host: str = HOST,
    ) -> None:
        """Open the page.

        Args:
            settings: The mask to begin with.
            actions: What a person can do with a mask: a button for each, by its text.
            port: Port of the page; the next free one is used if it is taken.
            host: Address that it is bound to.
        """
        self._settings, self._lock = settings, threading.RLock()
        self._frame: Frame | None = None
        self._picture: Picture | None = None
        self.box: Box | None = None
        self._shown = 0.0
        self._server = viser.ViserServer(host=host, port=port, label="mask of the target", verbose=False)
        self.url = f"http://{host}:{self._server.get_port()}"
        self._server.scene.world_axes.visible = False
        self._server.on_client_connect(self._on_client)
        self._server.scene.on_rect_select()(lambda event: self.select(event.screen_min, event.screen_max))
        self._add_widgets(settings, actions)

    def _add_widgets(self, settings: RewardSettings, actions: Mapping[str, Action]) -> None:
        gui: Any = self._server.gui
        gui.configure_theme(control_width="large", show_logo=False, show_share_button=False)
        gui.main_panel.dock_right()
        self._coverage = gui.add_markdown("waiting for a frame")
        self._note = gui.add_markdown("Draw a box around the target with the mouse.")
        self._hold = gui.add_checkbox("hold this frame", False)
        gui.add_button("suggest bands from the box").on_click(lambda _: self.suggest())
        count = max(_BANDS, len(settings.bands) // 6 + 1)
        self._bands = [_Band(gui, number) for number in range(1, count + 1)]
        most = max(_MOST_ITERATIONS, settings.dilate, settings.erode)
        self._dilate = gui.add_slider("dilate", min=0, max=most, step=1, initial_value=settings.dilate)
        self._erode = gui.add_slider("erode", min=0, max=most, step=1, initial_value=settings.erode)
        self._values = gui.add_markdown("")
        for text, action in actions.items():
            gui.add_button(text).on_click(lambda _, action=action: self.do(action))
        self.show_bands(settings.bands)
        for widget in (*(w for band in self._bands for w in (band.used, *band.ranges)), self._dilate, self._erode):
            widget.on_update(lambda _: self._draw())

    @property
    def settings(self) -> RewardSettings:
        """The mask that the widgets show.

        Raises:
            ValueError: No band is used.
        """
        bands = [value for band in self._bands for value in band.values()]
        if not bands:
            raise ValueError("no band is used: tick one, or draw a box and let it be suggested")
        return dataclasses.replace(
            self._settings, bands=bands, dilate=int(self._dilate.value), erode=int(self._erode.value)
        )

    @property
    def text(self) -> str:
        """The coverage, or why there is none, and the last note."""
        return f"{self._coverage.content} {self._note.content}"

    @property
    def picture(self) -> Picture | None:
        """What is shown; None before the first frame."""
        return self._picture

    def show(self, frame: Frame) -> None:
        """Show a frame, (height, width, 3), unless one is held or was shown within the last 0.1 s."""
        now = time.monotonic()
        if not self._hold.value and now - self._shown >= _PERIOD:
            self._shown, self._frame = now, frame
            self._draw()

    def browse(self, frames: Sequence[Frame]) -> None:
        """Let a person choose among frames."""
        slider = self._server.gui.add_slider("frame", min=1, max=len(frames), step=1, initial_value=1, order=0.5)

        def choose(_: object = None) -> None:
            self._frame = frames[int(slider.value) - 1]
            self._draw()

        slider.on_update(choose)
        choose()

    def select(self, one: Point, other: Point) -> None:
        """Draw a box between two points of the picture, and hold the frame."""
        if self._picture is None or self._frame is None:
            return
        try:
            self.box = self._picture.box(one, other, self._frame)
        except ValueError as error:
            self._note.content = f"**{error}**"
            return
        self._hold.value = True
        self._note.content = "The frame is held. Press *suggest bands from the box*."
        self._draw()

    def suggest(self) -> None:
        """Show the bands of what is in the box."""
        if self._frame is None or self.box is None:
            self._note.content = "**there is no box: draw one around the target with the mouse**"
            return
        try:
            self.show_bands(suggest(self._frame, self.box))
            self._note.content = "Untick *hold this frame*, and check the mask from other poses and in other light."
        except ValueError as error:
            self._note.content = f"**{error}**"
        self._draw()

    def show_bands(self, bands: Sequence[int]) -> None:
        """Show bands, six numbers each."""
        for number, band in enumerate(self._bands):
            band.show(bands[6 * number : 6 * number + 6])

    def do(self, action: Action) -> None:
        """Do something with the mask, and show what has been done or why not."""
        try:
            self._note.content = f"**{action(self.settings)}**"
        except (ValueError, OSError) as error:
            self._note.content = f"**{error}**"

    def close(self) -> None:
        """Close the page."""
        self._server.stop()

    def _on_client(self, client: viser.ClientHandle) -> None:
        def resize(_: object = None) -> None:
            if abs(client.camera.aspect - self.aspect) > 1e-3:
                self.aspect = client.camera.aspect
                self._draw()

        client.camera.on_update(resize)
        resize()

    def _draw(self) -> None:
        with self._lock:
            frame = self._frame
            if frame is None:
                return
            try:
                settings = self.settings
                mask = target_mask(frame, settings)
                self._coverage.content = f"## coverage {100 * float(mask.mean()):.2f} %"
                self._values.content = f"`bands: {settings.bands}`"
            except ValueError as error:
                mask = np.zeros(frame.shape[:2], np.uint8)
                self._coverage.content = f"**{error}**"
            self._picture = compose(frame, mask, self.box, self.aspect)
            self._server.scene.set_background_image(self._picture.image, format="jpeg")
