"""What /metrics tells, and its text. Imported by web.app, web.media and web.operations.

Modules, from a figure to the text:
    media_figures    voices, workers, packets, listeners, and the media port
    storage_figures  recordings and the disk, asked of the database and the system now and then
    request_times    how long answers and the database take
    exposition       the text, made anew no more often than it is worth
    rendering        the same by prometheus_client, which is imported with the first scrape
"""
