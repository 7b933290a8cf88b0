"""Everything HTTP, and the browser's part.

Modules, in the order of the flow:
    keys            The keys of the application that every room asks for
    private_folder  Whose `storage.path` is
    quick_start     Imported by the server's own process before anything else
    pages           The browser's part
    operations      Health, readiness and metrics
    media           Where the media plane is put together
    routes          The table
    app             make_app(config)
    connections     The front doors
    serve           The server process from start to end
"""
