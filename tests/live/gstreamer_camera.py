"""A real camera that one can talk to, by GStreamer: H.264, a microphone that ticks, and an ONVIF back-channel (PCMU).

/usr/bin/python3 gstreamer_camera.py PORT FILE: rtsp://127.0.0.1:PORT/cam, digest authentication as ana with the secret
`p%40ss: /word`; what is said to it stands in FILE, 16 bits, 8 kHz.  Only Debian's own Python has the bindings.
Each track ends in a `tee`: a source whose track nobody has asked for would fail, and take the loudspeaker with it.
"""
# mypy: ignore-errors
# The bindings exist only in Debian's Python.

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

USER, PASSWORD = "ana", "p%40ss: /word"
SEEN = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=480,framerate=15/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! video/x-h264,profile=baseline "
    "! tee allow-not-linked=true ! rtph264pay name=pay0 pt=96 config-interval=1 "
    "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=8000,channels=1 ! mulawenc "
    "! tee allow-not-linked=true ! rtppcmupay name=pay1 pt=0 )"
)
SAID = (
    '( capsfilter caps="application/x-rtp, media=audio, payload=0, clock-rate=8000, encoding-name=PCMU" '
    "name=depay_backchannel ! rtppcmudepay ! mulawdec ! audioconvert ! audio/x-raw,format=S16LE "
    "! filesink async=false sync=false buffer-mode=2 append=true location={} )"
)


def secured(server, factory):
    auth, token = GstRtspServer.RTSPAuth.new(), GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "user")
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(USER, PASSWORD, token)
    permissions = GstRtspServer.RTSPPermissions.new()
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("user", right, True)
    factory.set_permissions(permissions)
    server.set_auth(auth)


def main(port, file):
    Gst.init(None)
    server = GstRtspServer.RTSPOnvifServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPOnvifMediaFactory.new()
    factory.set_launch(SEEN)
    factory.set_backchannel_launch(SAID.format(file))
    factory.set_shared(False)  # else the back-channel dies when another viewer was there first
    factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia.__gtype__)
    secured(server, factory)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
