package warder
