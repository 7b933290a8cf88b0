"""The web server and the browser's files.

Modules, from the process to what the app is made of:
    errors          What only HTTP refuses
    quick_start     Makes the imports of the server's process faster
    private_folder  Keeps `storage.path` private
    serve           Runs the server process: settings, port, certificate, app, signals
    connections     Accepts connections, and ends some when there are too many
    app             Puts the application together
    media           Puts the media plane together
    routes          The table of routes
    pages           Serves the browser's files
    reference       The page /api, for readers of the interface
    operations      Health, readiness and metrics
    keys            Keys of the application that all rooms use
Serve is imported by the command line only.
"""
