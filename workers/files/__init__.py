"""A sound file through a denoiser: `python -m workers.files.main IN OUT`. Streams: memory does not grow with the file's length.

    IN -> reader -> blocks at 48 kHz -> cleaner -> writer -> OUT
             └─────────────────────────┴──> spectrogram -> plot

- main: the process; command: arguments, the way from IN to OUT, messages; path_checks: whether the names can be used
- selection: name -> denoiser, ready to use; device: CPU or CUDA; remote_denoiser: one in another Python
- truncation: whether bytes are missing
- reader: a file as blocks, of which track decodes one sound, time_stamp_gaps puts frames in their places, stretch joins
  frames of one format, and resampler changes rates; the room containers knows the containers
- cleaner: noisy -> clean of the same length; writer: blocks -> a file; output_formats: what can be written;
  channel_layouts: names of channel layouts; progress: the bar; errors: messages for the terminal

Imported by nobody: `run.py denoise` becomes this process.
"""
