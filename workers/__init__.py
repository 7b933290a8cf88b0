"""Everything about sound that needs time: denoising in processes of their own, recordings, models, sound files.

The server may import the modules here, and the rooms link, models, weights and recordings; it never imports a denoiser.

- denoiser: the contract of a plug-in; registry: names -> classes of denoisers; chunks: the bounds of `chunked:`
- errors: what can go wrong; disk_room: how much of a disk is free
- root: the checkout's folder, and the command line of our modules; child: runs one of them to its end
- extra_python: the second environment, with torch; interrupt: Ctrl-C in a command; pdeathsig: a child dies with its parent
- hugepages: memory in pages of 2 MB

Rooms, in the order of a live packet: link (the server's side), forkserver, voice, then plugins with deepfilternet and graphs;
weights and models prepare what they load; recordings and files work on stored sound.
"""
