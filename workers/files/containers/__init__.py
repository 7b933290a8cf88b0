"""What a sound file's container says: which sounds it holds, where they begin and end, and whether the file is complete.

- sections: the sounds of a file; extent: begin, end and padding of a track
- riff_chunks (WAV, AIFF, ...), ebml (Matroska), mp4_boxes, ogg_links, mpeg (MP3): one kind of container each
- window: a part of a file, read as a file of its own

Imported by files only.
"""
