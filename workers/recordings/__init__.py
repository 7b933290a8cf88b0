"""Recordings on the disk: written by the server packet by packet, worked on by child processes afterwards.

- opusfile: packets on a time line in an Ogg file; ogg: its pages; spans: what was heard uncleaned, and why
- finalise: the process that makes a recording ready to play; decode: packets -> samples; peaks: the outline; wav: WAV headers
- part, join: the processes that close what one of several servers has of a recording, and that join what all have
- transcode: the process that converts a recording for a download

The server imports opusfile, spans, peaks and wav; the others run in processes of their own.
"""
