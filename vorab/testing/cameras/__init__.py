"""Cameras and loudspeakers that stand nowhere: what they show is what the sensors of the demo say."""

from vorab.testing.cameras.intercom import Intercom, Speaker
from vorab.testing.cameras.world import View, World

__all__ = ["Intercom", "Speaker", "View", "World"]
