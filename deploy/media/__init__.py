"""Cameras and loudspeakers: what is read from them and spoken to them over HTTP, RTSP and WebRTC."""
