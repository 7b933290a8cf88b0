"""The laws of docs/style.md as tests, one file a law; `tree` reads the code, `laws` of each file can be shown to fail on a sample tree."""
