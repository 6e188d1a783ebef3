"""Vorab: what a plug-in may import.  The values of the flow, the errors, and the ports."""

from vorab.errors import ConfigurationError, Malformed, TemporaryFailure, VorabError
from vorab.model import Notification, Quality, Quantity, Reading, Receipt, Sample
from vorab.payload import Payload
from vorab.ports import HttpClient, HttpResponse

__version__ = "0.1.0"

__all__ = [
    "ConfigurationError",
    "HttpClient",
    "HttpResponse",
    "Malformed",
    "Notification",
    "Payload",
    "Quality",
    "Quantity",
    "Reading",
    "Receipt",
    "Sample",
    "TemporaryFailure",
    "VorabError",
]
