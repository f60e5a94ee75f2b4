"""Is rejected by the check in config.toml before it is ever run: the colon is missing."""

if True
    print('{"commands": []}')
